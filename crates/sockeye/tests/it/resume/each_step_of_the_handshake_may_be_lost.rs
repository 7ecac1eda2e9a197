use sockeye::resume::ResumableStream;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::proxy::Proxy;
use super::{client, pair, pattern, serve};

/// Longer than the request or the response of the opening handshake with the first frame.
const HANDSHAKE: usize = 420;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_is_resumed_after_a_cut_anywhere_in_the_handshake() {
    let mut serving = serve(|sessions| sessions).await;
    let proxy = Proxy::start(serving.address).await;
    let [mut client, mut server] = pair(&mut serving, proxy.address).await;
    let bytes = pattern(4000);
    for step in (1..HANDSHAKE).step_by(23) {
        for cut in [[step, usize::MAX], [usize::MAX, step]] {
            proxy.cut_after(vec![cut, cut]);
            proxy.cut();
            let echo = async {
                let mut received = vec![0; bytes.len()];
                server.read_exact(&mut received).await.unwrap();
                server.write_all(&received).await.unwrap();
            };
            let send = async {
                let mut received = vec![0; bytes.len()];
                client.write_all(&bytes).await.unwrap();
                client.read_exact(&mut received).await.unwrap();
                assert!(received == bytes);
            };
            tokio::join!(echo, send);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_begins_after_a_cut_anywhere_in_the_handshake() {
    let serving = serve(|sessions| sessions).await;
    let mut listener = serving.listener;
    // Every stream is served: those of sessions whose client never learned of them end by
    // themselves.
    tokio::spawn(async move {
        while let Some(mut server) = listener.accept().await {
            tokio::spawn(async move {
                let mut received = Vec::new();
                if server.read_to_end(&mut received).await.is_ok() {
                    server.write_all(&received).await.unwrap();
                    server.shutdown().await.unwrap();
                }
            });
        }
    });
    let proxy = Proxy::start(serving.address).await;
    for step in (1..HANDSHAKE).step_by(23) {
        proxy.cut_after(vec![[step, usize::MAX], [usize::MAX, step]]);
        let mut client = ResumableStream::connect(client(proxy.address)).await.unwrap();
        client.write_all(b"whole").await.unwrap();
        client.shutdown().await.unwrap();
        let mut received = Vec::new();
        client.read_to_end(&mut received).await.unwrap();
        assert_eq!(received, b"whole");
        client.acknowledged().await.unwrap();
    }
}
