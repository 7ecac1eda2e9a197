use sockeye_hub::core::topics::Limits;
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

#[tokio::test]
async fn and_one_beyond_the_limits_costs_the_bus_nothing() {
    let bus = Gated::default();
    let limits = Limits { rooms: 3, rooms_per_member: 2 };
    let hub: Hub = hub().bus(bus.clone()).limits(limits).build();
    let (_client, first) = connect(&hub).await;
    let (_client, second) = connect(&hub).await;
    for (session, room) in [(&first, "log 1"), (&first, "log 2"), (&second, "log 3")] {
        session.join(room).await.unwrap();
    }
    assert_eq!(bus.store.subscriptions(), 3);
    for session in [&first, &second] {
        let joined = session.join("log 4").await;
        assert!(matches!(joined, Err(HubError::TooManyRooms(_))), "{joined:?}");
    }
    // Rooms that the session is in, and occupied ones, are within the limits.
    assert!(first.join("log 1").await.unwrap().already);
    second.join("log 1").await.unwrap();
    assert_eq!(bus.store.subscriptions(), 3);
}
