//! The upgrade of hyper requests.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;
use std::net::SocketAddr;

use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::{self, Options, Refusal};
use sockeye::{Client, ConnectError, connect};
use tokio::io::duplex;
use tokio::net::TcpListener;

async fn service(mut request: Request<Incoming>) -> Result<Response<String>, Infallible> {
    let options = Options::new().subprotocols(["chat"]);
    Ok(match upgrade::hyper(&mut request, &options) {
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
        Err(error) => Refusal::from(&error).into_response(),
    })
}

async fn serve() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let connection = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service_fn(service))
                .with_upgrades();
            tokio::spawn(connection);
        }
    });
    address
}

#[tokio::test]
async fn a_request_is_upgraded_by_hyper() {
    let mut ws = connect(format!("ws://{}/", serve().await)).await.unwrap();
    for length in [5, 70_000] {
        let message = "x".repeat(length);
        ws.send(message.as_str()).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(message.into()));
    }
}

#[tokio::test]
async fn a_stream_that_is_not_tcp_is_upgraded_as_well() {
    let (client, server) = duplex(1000);
    let connection = http1::Builder::new()
        .serve_connection(TokioIo::new(server), service_fn(service))
        .with_upgrades();
    tokio::spawn(connection);
    let asking = Client::new("ws://example.com/").subprotocols(["chat"]);
    let mut ws = asking.handshake(client).await.unwrap();
    assert_eq!(ws.subprotocol(), Some("chat"));
    ws.send("hello").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("hello".into()));
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let client = Client::new(format!("ws://{}/", serve().await)).header("Origin", "null");
    match client.connect().await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, .. }) => assert_eq!(status, 403),
        other => panic!("{other:?}"),
    }
}
