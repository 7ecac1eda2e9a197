use sockeye::upgrade::{Admission, Refusal, UpgradeRequest, Upgrader};
use tokio::io::AsyncWriteExt;

use crate::ledger::record_async;
use crate::pairing::client;

async fn refuse(_: UpgradeRequest) -> Result<Admission, Refusal> {
    Err(Refusal::forbidden("not you\n"))
}

#[test]
fn both_ends_count_the_status() {
    let metrics = record_async(async {
        let (near, far) = tokio::io::duplex(1 << 20);
        let upgrader = Upgrader::new().admit(refuse);
        let client = client();
        let (connected, accepted) = tokio::join!(client.handshake(near), upgrader.accept(far));
        assert!(connected.is_err() && accepted.is_err());
    });
    assert_eq!(
        metrics,
        [
            "sockeye_handshakes_refused_total{client,403} 1",
            "sockeye_handshakes_refused_total{server,403} 1",
        ]
    );
}

#[test]
fn an_incomplete_request_is_counted_without_a_status() {
    let metrics = record_async(async {
        let (mut near, far) = tokio::io::duplex(1 << 20);
        near.write_all(b"GET / HT").await.unwrap();
        drop(near);
        assert!(Upgrader::new().accept(far).await.is_err());
    });
    assert_eq!(metrics, ["sockeye_handshakes_refused_total{server,none} 1"]);
}
