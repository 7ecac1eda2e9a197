//! Connections that hyper serves.

use std::convert::Infallible;

use http::Request;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use sockeye::upgrade::{self, Options, Refusal};
use sockeye::{Client, CloseCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::JoinHandle;

use super::harness::{Canceller, Trickle, at_every_poll};
use super::wire::REQUEST;

/// Number of bytes that the transport moves at a time.
const STEP: usize = 10;

/// Returns the client's end of a connection to a server that echoes every message.
fn server() -> (DuplexStream, JoinHandle<()>) {
    let (client, server) = duplex(1 << 16);
    let service = service_fn(|mut request: Request<Incoming>| async move {
        Ok::<_, Infallible>(match upgrade::hyper(&mut request, &Options::new()) {
            Ok((response, upgrading)) => {
                tokio::spawn(async move {
                    let mut ws = upgrading.await?;
                    while let Some(message) = ws.recv().await? {
                        ws.send(message).await?;
                    }
                    Ok::<_, sockeye::Error>(())
                });
                response
            }
            Err(error) => Refusal::from(&error).into_response::<String>(),
        })
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .enable_connect_protocol()
        .serve_connection(TokioIo::new(server), service);
    let connection = tokio::spawn(async move {
        let _ = connection.await;
    });
    (client, connection)
}

fn client() -> Client {
    Client::new("ws://example.com/")
}

#[tokio::test(start_paused = true)]
async fn of_a_connection_that_is_dropped_in_the_making_nothing_stays() {
    for polls in 1.. {
        let (stream, server) = server();
        let opened =
            Canceller::once(polls).wait(client().handshake_http2(Trickle::new(stream, STEP))).await;
        if let Some(opened) = opened {
            assert!(polls > 2, "{polls}");
            drop(opened.unwrap());
            server.await.unwrap();
            return;
        }
        server.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_is_dropped_in_the_making_disturbs_no_other() {
    for polls in 1.. {
        let (stream, _server) = server();
        let http2 = client().handshake_http2(Trickle::new(stream, STEP)).await.unwrap();
        let mut first = http2.open("/").await.unwrap();
        first.send("before").await.unwrap();
        let dropped = Canceller::once(polls).wait(http2.open("/")).await.is_none();
        let other = client();
        let dropped = dropped | Canceller::once(polls).wait(http2.open_as(&other)).await.is_none();
        assert_eq!(first.recv().await.unwrap(), Some("before".into()));
        first.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
        let mut last = http2.open("/").await.unwrap();
        last.send("after").await.unwrap();
        assert_eq!(last.recv().await.unwrap(), Some("after".into()));
        if !dropped {
            return;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn messages_on_a_stream_arrive_once_and_whole() {
    at_every_poll(async |canceller| {
        let (stream, _server) = server();
        let http2 = client().handshake_http2(Trickle::new(stream, 1000)).await.unwrap();
        let mut ws = http2.open("/").await.unwrap();
        let mut received = Vec::new();
        for length in [0, 1, 30_000, 5] {
            // There is capacity, so the cancelled call has taken the message.
            canceller.wait(ws.send(vec![7; length])).await;
            received.push(canceller.retry(async || ws.recv().await).await.unwrap());
        }
        canceller.retry(async || ws.close(CloseCode::NORMAL_CLOSURE, "").await).await.unwrap();
        (received, ws.close_frame().cloned())
    })
    .await;
}

/// The same with HTTP/1.1, where the transport is taken out of hyper.
#[tokio::test(start_paused = true)]
async fn an_upgrade_that_is_dropped_ends_the_connection_after_the_answer() {
    for polls in 1.. {
        let (mut client, server) = duplex(4096);
        client.write_all(REQUEST.as_bytes()).await.unwrap();
        let (give, mut given) = unbounded_channel();
        let service = service_fn(move |mut request| {
            let (response, upgrading) =
                upgrade::hyper::<_, String>(&mut request, &Options::new()).unwrap();
            give.send(upgrading).unwrap();
            async move { Ok::<_, Infallible>(response) }
        });
        let stream = TokioIo::new(Trickle::new(server, STEP));
        let connection = http1::Builder::new().serve_connection(stream, service).with_upgrades();
        tokio::spawn(connection);
        let upgrading = given.recv().await.unwrap();
        if let Some(upgraded) = Canceller::once(polls).wait(upgrading).await {
            upgraded.unwrap();
            return;
        }
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 101 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    }
}
