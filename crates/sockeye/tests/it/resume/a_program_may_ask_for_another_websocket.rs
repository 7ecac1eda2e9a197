use std::time::Duration;

use sockeye::Client;
use sockeye::reconnect::{Backoff, Reconnecting};
use sockeye::resume::{ResumableStream, SUBPROTOCOL};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::proxy::Proxy;
use super::{pair, serve};

#[tokio::test]
async fn the_session_goes_on_with_what_was_on_its_way() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    for cut in 1..=5 {
        client.write_all(b"across").await.unwrap();
        server.write_all(b"back").await.unwrap();
        client.reconnect();
        // A server waits for its client.
        server.reconnect();
        let (mut across, mut back) = ([0; 6], [0; 4]);
        server.read_exact(&mut across).await.unwrap();
        client.read_exact(&mut back).await.unwrap();
        assert_eq!((&across, &back), (b"across", b"back"));
        proxy.ended(cut).await;
    }
}

#[tokio::test]
async fn a_delay_ends_at_once() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    // Longer than the test may take.
    let backoff = Backoff::new().base(Duration::from_secs(3600)).cap(Duration::from_secs(3600));
    let client = Client::new(format!("ws://{}/", proxy.address)).subprotocols([SUBPROTOCOL]);
    let client = ResumableStream::connect(Reconnecting::new(client).backoff(backoff)).await;
    let mut client = client.unwrap();
    let mut server = serving.listener.accept().await.unwrap();
    proxy.cut();
    while client.is_attached() {
        tokio::task::yield_now().await;
    }
    client.write_all(b"across").await.unwrap();
    client.reconnect();
    let mut across = [0; 6];
    server.read_exact(&mut across).await.unwrap();
    assert_eq!(&across, b"across");
}
