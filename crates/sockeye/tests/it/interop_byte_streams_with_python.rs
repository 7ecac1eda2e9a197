//! HTTP/2 inside a WebSocket with a foreign peer: Python `websockets` and `h2`, in both roles.
//!
//! The peer treats the payload of binary messages as a plain byte stream and splits its output
//! arbitrarily, as may any peer that tunnels gRPC or another TCP protocol.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use crate::foreign::{Peer, within_deadline};
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::routing::{any_service, post};
use http::Request;
use hyper::body::Incoming;
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper::server::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde_json::json;
use sockeye::upgrade::Options;
use sockeye::{Client, Deflate, byte_stream};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

const LENGTHS: [usize; 6] = [0, 1, 1000, 16_384, 100_000, 1_000_000];

#[tokio::test]
async fn our_server_of_http2_answers_their_client() {
    let Some(mut client) = Peer::start("http2_pipe_client.py") else { return };
    within_deadline(async {
        let (mut listener, accept) = byte_stream::listener();
        // The peer offers permessage-deflate by default.
        let accept = accept.options(Options::new().deflate(Deflate::new()));
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/http2", tcp.local_addr().unwrap());
        let app = Router::new().route("/http2", any_service(accept));
        tokio::spawn(async move { axum::serve(tcp, app).await });
        tokio::spawn(async move {
            let echo = Router::new().route("/echo", post(async |body: Body| body));
            let echo = TowerToHyperService::new(echo);
            while let Some(stream) = listener.accept().await {
                assert!(stream.websocket().extensions().is_some());
                let connection = http2::Builder::new(TokioExecutor::new())
                    .timer(TokioTimer::new())
                    .serve_connection(stream, echo.clone());
                tokio::spawn(connection);
            }
        });
        for _ in 0..3 {
            let report = client.ask(&json!({ "url": url, "lengths": LENGTHS })).await;
            assert_eq!(report["statuses"], json!(vec![200; LENGTHS.len()]), "{report}");
            assert_eq!(report["echoed"], json!(vec![true; LENGTHS.len()]), "{report}");
            assert_eq!(report["close_code"], 1000, "{report}");
        }
        client.stop().await;
    })
    .await;
}

#[tokio::test]
async fn our_client_of_http2_is_answered_by_their_server() {
    let Some(mut server) = Peer::start("http2_pipe_server.py") else { return };
    within_deadline(async {
        let report = server.ask(&json!({})).await;
        let port = report["port"].as_u64().unwrap();
        for deflate in [false, true] {
            let client = Client::new(format!("ws://127.0.0.1:{port}/"));
            let client = if deflate { client.deflate(Deflate::new()) } else { client };
            let ws = client.connect().await.unwrap();
            assert_eq!(ws.extensions().is_some(), deflate);
            let (requests, connection) =
                handshake(TokioExecutor::new(), ws.into_byte_stream()).await.unwrap();
            let connection = tokio::spawn(connection);
            let mut tasks = JoinSet::new();
            for length in LENGTHS {
                tasks.spawn(echo(requests.clone(), length));
            }
            tasks.join_all().await;
            drop(requests);
            // Without requests the connection ends, and closes the stream cleanly.
            connection.await.unwrap().unwrap();
            assert_eq!(server.closed(port).await["close_code"], 1000);
        }
        server.stop().await;
    })
    .await;
}

async fn echo(mut requests: SendRequest<Body>, length: usize) {
    let body: Vec<u8> =
        (0..length).map(|index| (index.wrapping_mul(index) >> 7).to_le_bytes()[0]).collect();
    let request = Request::post("http://tunnel/echo").body(Body::from(body.clone())).unwrap();
    let answer: http::Response<Incoming> = requests.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    let echoed = to_bytes(Body::new(answer.into_body()), usize::MAX).await.unwrap();
    assert!(echoed == body, "{length} bytes came back changed");
}
