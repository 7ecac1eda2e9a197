//! A foreign HTTP/2: Node's (nghttp2), with npm `ws` for the frames, as a server and as a client.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::convert::Infallible;

use crate::foreign::conversation::{self, CLOSE_CODE, CLOSE_REASON, SUBPROTOCOL};
use crate::foreign::{Peer, within_deadline};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use sockeye::upgrade::{self, Options};
use sockeye::{Client, CloseCode, ConnectError, Deflate};
use tokio::net::TcpListener;

fn client(port: &Value) -> Client {
    Client::new(format!("ws://127.0.0.1:{port}/")).subprotocols([SUBPROTOCOL])
}

#[tokio::test]
async fn our_client_opens_many_on_their_server() {
    within_deadline(Box::pin(async {
        let Some(mut server) = Peer::start("http2_server.cjs") else { return };
        for deflate in [false, true] {
            let answer = server.ask(&json!({ "deflate": deflate })).await;
            let port = answer["port"].clone();
            let mut client = client(&port);
            if deflate {
                client = client.deflate(Deflate::new());
            }
            let http2 = client.connect_http2().await.unwrap();
            let mut sockets = Vec::new();
            for at in 0..5 {
                let ws = http2.open(&format!("/{at}")).await.unwrap();
                assert_eq!(ws.subprotocol(), Some(SUBPROTOCOL));
                assert_eq!(ws.extensions().is_some(), deflate);
                sockets.push(tokio::spawn(async move {
                    let mut ws = ws;
                    conversation::converse(&mut ws).await.unwrap();
                    ws.close(CloseCode::from(4000 + at), "done, 鮭").await.unwrap();
                    assert_eq!(ws.close_frame().unwrap().code, CloseCode::from(4000 + at));
                }));
            }
            for socket in sockets {
                socket.await.unwrap();
                let report = server.closed(port.as_u64().unwrap()).await;
                let path = report["path"].as_str().unwrap().trim_start_matches('/').to_owned();
                let code = 4000 + path.parse::<u64>().unwrap();
                assert_eq!(
                    (&report["close_code"], &report["close_reason"]),
                    (&json!(code), &json!("done, 鮭"))
                );
            }

            let mut ws = http2.open("/bye").await.unwrap();
            assert!(ws.recv().await.unwrap().is_none());
            let frame = ws.close_frame().unwrap();
            assert_eq!((u16::from(frame.code), frame.reason.as_str()), (CLOSE_CODE, CLOSE_REASON));
        }
        let answer = server.ask(&json!({ "deflate": false, "allowed": false })).await;
        let error = client(&answer["port"]).connect_http2().await.unwrap_err();
        assert!(matches!(error, ConnectError::NoExtendedConnect), "{error:?}");
        server.stop().await;
    }))
    .await;
}

/// Starts an HTTP/2 server, which ends with the test, and returns its port.
async fn serve(options: Options) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let options = options.clone();
            let service = service_fn(move |mut request: Request<Incoming>| {
                let (response, upgrading) = upgrade::hyper(&mut request, &options).unwrap();
                tokio::spawn(async move { conversation::echo(upgrading.await.unwrap()).await });
                async move { Ok::<Response<String>, Infallible>(response) }
            });
            let mut builder = http2::Builder::new(TokioExecutor::new());
            builder.enable_connect_protocol();
            tokio::spawn(builder.serve_connection(TokioIo::new(stream), service));
        }
    });
    port
}

#[tokio::test]
async fn their_client_opens_many_on_our_server() {
    within_deadline(async {
        let Some(mut peer) = Peer::start("http2_client.cjs") else { return };
        for deflate in [false, true] {
            let options = Options::new().subprotocols([SUBPROTOCOL]).deflate(Deflate::new());
            let port = serve(options).await;
            let order = json!({ "port": port, "count": 10, "deflate": deflate });
            let report = peer.ask(&order).await;
            assert_eq!(report["error"], Value::Null, "{report}");
            assert_eq!(report["codes"], json!((4000..4010).collect::<Vec<_>>()));
            assert_eq!(report["protocols"], json!(vec![SUBPROTOCOL; 10]));
            let extensions = if deflate { "permessage-deflate" } else { "" };
            assert_eq!(report["extensions"], json!(vec![extensions; 10]));
        }
        peer.stop().await;
    })
    .await;
}
