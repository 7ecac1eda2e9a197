use std::time::Duration;

use sockeye::Config;
use sockeye::upgrade::Options;
use tokio::time::timeout;

use crate::ledger::record_async;
use crate::pairing::{client, pair};

#[test]
fn each_ping_that_was_answered_is_a_sample() {
    let metrics = record_async(async {
        let silent = client().config(Config::new().ping_after(None));
        let pinging = Config::new().ping_after(Some(Duration::from_secs(10)));
        let (mut client, mut server) = pair(silent, Options::new().config(pinging)).await;
        let waiting = async { tokio::join!(client.recv(), server.recv()) };
        assert!(timeout(Duration::from_secs(15), waiting).await.is_err());
        assert_eq!(server.rtt().unwrap().last(), Duration::ZERO);
    });
    // A ping of 4 bytes with a pong of 8, and no message.
    assert_eq!(
        metrics,
        [
            "sockeye_connections_opened_total{client} 1",
            "sockeye_connections_opened_total{server} 1",
            "sockeye_rtt_seconds{server} samples: 1",
            "sockeye_wire_received_bytes_total{client} 6",
            "sockeye_wire_received_bytes_total{server} 10",
        ]
    );
}
