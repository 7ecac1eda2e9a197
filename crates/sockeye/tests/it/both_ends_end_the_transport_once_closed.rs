//! After the closing handshake the transport ends in both directions, even if both programs keep
//! their `WebSocket`: otherwise the peer would wait for that end until its timeout.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::time::Duration;

use sockeye::upgrade::Upgrader;
use sockeye::{Client, CloseCode};
use tokio::io::{copy_bidirectional, duplex};
use tokio::time::timeout;

#[tokio::test(start_paused = true)]
async fn both_ends_end_the_transport_once_closed() {
    for client_closes in [true, false] {
        let (near, mut near_end) = duplex(1024);
        let (mut far_end, far) = duplex(1024);
        // `copy_bidirectional` ends when both directions have ended.
        let carried =
            tokio::spawn(async move { copy_bidirectional(&mut near_end, &mut far_end).await });
        let request = Client::new("ws://example.com/");
        let upgrader = Upgrader::new();
        let (client, server) = tokio::join!(request.handshake(near), upgrader.accept(far));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());

        let (closing, waiting) =
            if client_closes { (&mut client, &mut server) } else { (&mut server, &mut client) };
        let (closed, received) =
            tokio::join!(closing.close(CloseCode::NORMAL_CLOSURE, "done"), waiting.recv());
        closed.unwrap();
        assert_eq!(received.unwrap(), None);

        let carried = timeout(Duration::from_secs(60), carried).await;
        carried.expect("both directions ended").unwrap().unwrap();
        drop((client, server));
    }
}
