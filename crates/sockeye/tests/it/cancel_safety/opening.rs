//! A future that opens a connection owns the stream: when the future is dropped, the peer sees the
//! end of the stream, after the beginning of its output.

use std::fmt::Debug;
use std::net::SocketAddr;

use sockeye::Client;
use sockeye::upgrade::Upgrader;
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

use super::harness::{Canceller, Trickle};
use super::wire::REQUEST;

/// Number of bytes that the transport moves at a time.
const STEP: usize = 5;

/// Opens connections with a peer that sends `input`, and drops each future one poll later than the
/// last, until a connection is opened.
async fn assert_ends<T, E: Debug>(input: &str, open: impl AsyncFn(Trickle) -> Result<T, E>) {
    for polls in 1.. {
        let (mut peer, stream) = duplex(4096);
        peer.write_all(input.as_bytes()).await.unwrap();
        let opened = Canceller::once(polls).wait(open(Trickle::new(stream, STEP))).await;
        if let Some(opened) = opened {
            opened.unwrap();
            assert!(polls > 50, "{polls}");
            return;
        }
        // The stream ends.
        peer.read_to_end(&mut Vec::new()).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn of_an_upgrade_that_is_dropped_nothing_stays() {
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let upgrader = Upgrader::new();
    assert_ends(REQUEST, async |stream| upgrader.accept(stream).await).await;
    assert_ends(REQUEST, async |stream| upgrader.accept_from(stream, peer).await).await;
    assert_ends(REQUEST, async |stream| upgrader.accept_raw(stream).await).await;
}

#[tokio::test(start_paused = true)]
async fn of_a_handshake_that_is_dropped_nothing_stays() {
    for polls in 1.. {
        let (near, far) = duplex(4096);
        let client = Client::new("ws://example.com/");
        let server = tokio::spawn(async move { Upgrader::new().accept(far).await });
        let opening = Canceller::once(polls).wait(client.handshake(Trickle::new(near, STEP))).await;
        if let Some(opened) = opening {
            opened.unwrap();
            server.await.unwrap().unwrap();
            assert!(polls > 50, "{polls}");
            return;
        }
        // The server continues if it had the whole request, and sees the end at once.
        if let Ok(mut ws) = server.await.unwrap() {
            ws.recv().await.unwrap_err();
        }
    }
}
