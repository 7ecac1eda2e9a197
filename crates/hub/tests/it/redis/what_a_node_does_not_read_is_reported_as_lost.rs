use sockeye_hub::Hub;
use sockeye_hub::bus::{Bus, BusEvent};
use sockeye_hub::core::history::{Limit, Range};

use crate::broker::observer::{Observer, RETENTION, room};
use crate::redis::server::Server;
use crate::support::{connect, hub, line};

#[tokio::test]
async fn and_can_be_read_from_the_history() {
    const COUNT: usize = 1_000;

    let Some(server) = Server::start().await else { return };
    let publisher = Observer::new(server.link().await, 1, 10);
    let mut slow = Observer::new(server.link().await, 2, 100);
    let room = room("busy");
    let start = slow.bus.subscribe(&room, Some(&RETENTION)).await.unwrap().unwrap();
    for number in 0..COUNT {
        publisher.store(&room, &number.to_string()).await;
    }
    let mut stored = 0;
    let mut lost = 0;
    while stored + lost < COUNT {
        match slow.event().await {
            BusEvent::Stored { .. } => stored += 1,
            BusEvent::Lost { events } => lost += usize::try_from(events).unwrap(),
            event => panic!("{event:?}"),
        }
    }
    assert!(stored >= 100 && lost > 0, "{stored} received, {lost} lost");
    let page = slow.read(&room, Range::forwards(Limit::NONE).at(start.offset)).await;
    assert_eq!(page.after(&start).unwrap().len(), COUNT);
}

/// Redis ends the connection of a subscriber that does not read: here a node whose process stands
/// still, as seen from the broker, which has a small buffer for it.
#[tokio::test]
async fn and_a_reader_that_the_broker_ends_is_made_again() {
    let Some(server) = Server::start().await else { return };
    let mut command = redis::cmd("CONFIG");
    command.arg("SET").arg("client-output-buffer-limit").arg("pubsub 65536 65536 1");
    command.query_async::<String>(&mut server.connection().await).await.unwrap();
    let node: Hub = hub().bus(server.link().await).build();
    let (mut client, session) = connect(&node).await;
    session.join("log").await.unwrap();
    assert_eq!(line(&mut client).await, "log joined 0");
    // One publication is more than the buffer holds.
    let publisher = Observer::new(server.link().await, 1, 10);
    let large = "x".repeat(300 << 10);
    publisher.store(&room("log"), &large).await;
    assert_eq!(line(&mut client).await, format!("log 1 {large}"));
    publisher.store(&room("log"), "next").await;
    assert_eq!(line(&mut client).await, "log 2 next");
}
