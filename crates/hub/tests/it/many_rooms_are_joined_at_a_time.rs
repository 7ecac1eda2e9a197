use sockeye_hub::{Hub, HubError};

use crate::gated::Gated;
use crate::support::{connect, hub};

#[tokio::test]
async fn and_the_results_are_in_the_order_of_the_rooms() {
    let bus = Gated::default();
    let hub: Hub = hub().bus(bus.clone()).build();
    for number in 0..100 {
        for _ in 0..number {
            hub.room(format!("log:{number}")).publish("x").await.unwrap();
        }
    }
    let (_client, session) = connect(&hub).await;
    bus.store.set_open(false);
    let handle = session.handle();
    let joins = tokio::spawn(async move {
        let rooms = (0..100).map(|number| match number {
            50 => "\0".repeat(1_000),
            _ => format!("log:{number}"),
        });
        handle.join_all(rooms).await
    });
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    bus.store.set_open(true);
    let joined = joins.await.unwrap();
    assert_eq!(joined.len(), 100);
    for (number, joined) in (0..).zip(joined) {
        match joined {
            Ok(joined) => assert_eq!(joined.position.unwrap().offset, number),
            Err(error) => assert!(matches!(error, HubError::RoomName(_)) && number == 50),
        }
    }
    assert_eq!(session.rooms().len(), 99);
    let at_a_time = bus.store.max_subscribing();
    assert_eq!(at_a_time, 32, "rooms at a time");
}
