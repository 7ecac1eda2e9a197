use sockeye::split::{SendQueue, WhenFull};

use crate::ledger::record_async;
use crate::pairing::plain;

/// The figures of drops alone, when these are sent before the writer's task has its first turn.
fn dropped(when_full: WhenFull, messages: &[&str]) -> Vec<String> {
    let figures = record_async(async {
        let (client, _server) = plain().await;
        let queue = SendQueue::new().capacity(1).when_full(when_full);
        let (sender, _receiver) = client.split_with(queue);
        for message in messages {
            // Refused once the connection closes.
            let _ = sender.send(*message).await;
        }
    });
    figures.into_iter().filter(|line| line.contains("dropped")).collect()
}

#[test]
fn the_newest_the_oldest_and_what_was_left_unsent() {
    let two = &["one", "two"];
    // The runtime goes before the writer has written: what is in the queue is nobody's any more.
    assert_eq!(
        dropped(WhenFull::DropNewest, two)[..1],
        ["sockeye_messages_dropped_total{newest} 1"]
    );
    assert_eq!(
        dropped(WhenFull::DropOldest, two)[..1],
        ["sockeye_messages_dropped_total{oldest} 1"]
    );
    assert_eq!(dropped(WhenFull::Disconnect, two), ["sockeye_messages_dropped_total{unsent} 1"]);
}

#[test]
fn a_value_that_was_replaced() {
    let figures = record_async(async {
        let (client, mut server) = plain().await;
        let (sender, _receiver) = client.split();
        for price in ["1", "2", "3"] {
            sender.send_latest("price", price).await.unwrap();
        }
        assert_eq!(server.recv().await.unwrap().unwrap(), "3");
    });
    let dropped: Vec<_> = figures.into_iter().filter(|line| line.contains("dropped")).collect();
    assert_eq!(dropped, ["sockeye_messages_dropped_total{replaced} 2"]);
}
