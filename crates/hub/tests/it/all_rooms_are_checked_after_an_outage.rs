use sockeye::WebSocket;
use sockeye_hub::bus::BusEvent;
use sockeye_hub::core::topics::Limits;
use sockeye_hub::{Hub, Session};

use crate::gated::Gated;
use crate::support::{connect, hub, line};

const ROOMS: usize = 400;

/// Returns a member of many rooms with history.
async fn member() -> (Gated, Hub, WebSocket, Session) {
    let bus = Gated::default();
    let limits = Limits { rooms_per_member: 1_000, ..Limits::default() };
    let hub: Hub = hub().bus(bus.clone()).limits(limits).build();
    let (mut client, session) = connect(&hub).await;
    for number in 0..ROOMS {
        session.join(format!("log:{number}")).await.unwrap();
        line(&mut client).await;
    }
    (bus, hub, client, session)
}

/// Lets the node handle what it was sent.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

/// Asserts that all rooms deliver again.
async fn all_deliver(hub: &Hub, client: &mut WebSocket) {
    for number in 0..ROOMS {
        hub.room(format!("log:{number}")).publish("after").await.unwrap();
    }
    for _ in 0..ROOMS {
        assert!(line(client).await.ends_with("after"));
    }
}

#[tokio::test]
async fn by_few_questions_at_a_time_however_often_the_link_breaks() {
    let (bus, hub, mut client, _session) = member().await;
    bus.store.set_open(false);
    for _ in 0..20 {
        bus.store.send(BusEvent::Down);
        bus.store.send(BusEvent::Up);
        settle().await;
    }
    let asked = bus.store.tops();
    assert!(asked <= 128, "{asked} questions at a time");
    bus.store.set_open(true);
    all_deliver(&hub, &mut client).await;
    let asked = bus.store.tops();
    assert!(asked <= 2 * ROOMS, "{asked} questions of {ROOMS} rooms");
}

#[tokio::test]
async fn and_once_for_many_losses() {
    let (bus, hub, mut client, _session) = member().await;
    for _ in 0..100 {
        bus.store.send(BusEvent::Lost { events: 1 });
        settle().await;
    }
    all_deliver(&hub, &mut client).await;
    let asked = bus.store.tops();
    assert!((ROOMS..=5 * ROOMS).contains(&asked), "{asked} questions of {ROOMS} rooms");
}
