use sockeye::Deflate;
use sockeye::upgrade::Options;

use crate::ledger::record_async;
use crate::pairing::{client, pair};

#[test]
fn bytes_of_messages_are_more_than_bytes_on_the_wire() {
    let mut frame = 0;
    let metrics = record_async(async {
        let deflate = Deflate::default();
        let (mut client, mut server) =
            pair(client().deflate(deflate.clone()), Options::new().deflate(deflate)).await;
        client.send("salmon ".repeat(1000)).await.unwrap();
        assert_eq!(server.recv().await.unwrap().unwrap().len(), 7000);
    });
    for line in &metrics {
        if let Some(length) = line.strip_prefix("sockeye_wire_sent_bytes_total{client} ") {
            frame = length.parse().unwrap();
        }
    }
    assert!((20..200).contains(&frame), "{frame}");
    assert_eq!(
        metrics,
        [
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_messages_received_bytes_total{server,text} 7000",
            "sockeye_messages_received_total{server,text} 1",
            "sockeye_messages_sent_bytes_total{client,text} 7000",
            "sockeye_messages_sent_total{client,text} 1",
            &format!("sockeye_wire_received_bytes_total{{server}} {frame}"),
            &format!("sockeye_wire_sent_bytes_total{{client}} {frame}"),
        ]
    );
}
