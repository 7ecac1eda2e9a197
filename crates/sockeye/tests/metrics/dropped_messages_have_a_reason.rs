use sockeye::split::{SendQueue, WhenFull};

use crate::ledger::record_async;
use crate::pairing::plain;

/// Length that exceeds the transport's buffers, in bytes.
const LONG: usize = 2 << 20;

/// Returns the metrics of dropped messages. Two short messages are sent while a long one is
/// written, and the queue has capacity for one of them.
fn dropped(when_full: WhenFull) -> Vec<String> {
    let metrics = record_async(async {
        let (client, _server) = plain().await;
        let capacity = u32::try_from(LONG + 64 + 67).unwrap();
        let queue = SendQueue::new().capacity(capacity).when_full(when_full);
        let (sender, _receiver) = client.split_with(queue);
        sender.send(vec![0; LONG]).await.unwrap();
        sender.send("one").await.unwrap();
        // Fails if the policy closes the connection.
        let _ = sender.send("two").await;
    });
    metrics.into_iter().filter(|line| line.contains("dropped")).collect()
}

#[test]
fn the_newest_the_oldest_and_what_was_left_unsent() {
    // The runtime is dropped before the writer has finished, so the remaining messages are unsent.
    let unsent = "sockeye_messages_dropped_total{unsent} 2";
    assert_eq!(dropped(WhenFull::DropNewest), ["sockeye_messages_dropped_total{newest} 1", unsent]);
    assert_eq!(dropped(WhenFull::DropOldest), ["sockeye_messages_dropped_total{oldest} 1", unsent]);
    assert_eq!(dropped(WhenFull::Disconnect), [unsent]);
}

#[test]
fn a_value_that_was_replaced() {
    let metrics = record_async(async {
        let (client, mut server) = plain().await;
        let (sender, _receiver) = client.split();
        for price in ["1", "2", "3"] {
            sender.send_latest("price", price).await.unwrap();
        }
        assert_eq!(server.recv().await.unwrap().unwrap(), "3");
    });
    let dropped: Vec<_> = metrics.into_iter().filter(|line| line.contains("dropped")).collect();
    assert_eq!(dropped, ["sockeye_messages_dropped_total{replaced} 2"]);
}
