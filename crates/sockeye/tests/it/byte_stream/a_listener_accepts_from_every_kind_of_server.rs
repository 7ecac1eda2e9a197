use axum::Router;
use axum::response::Response;
use axum::routing::any;
use futures_util::StreamExt;
use hyper::server::conn::http1;
use hyper_util::rt::TokioIo;
use hyper_util::service::TowerToHyperService;
use sockeye::axum::WebSocketUpgrade;
use sockeye::byte_stream::{Listener, listener};
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::Options;
use sockeye::{Client, ConnectError, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::serving::serve;

/// Exchanges data in both directions, and ends the stream cleanly.
async fn converse(url: &str, listener: &mut Listener) {
    let mut client = sockeye::connect(url).await.unwrap().into_byte_stream();
    let mut server = listener.accept().await.unwrap();
    assert_eq!(server.peer_addr(), client.local_addr());
    assert_eq!(client.peer_addr(), server.local_addr());
    client.write_all(b"question").await.unwrap();
    client.shutdown().await.unwrap();
    let mut bytes = Vec::new();
    server.read_to_end(&mut bytes).await.unwrap();
    server.write_all(&bytes).await.unwrap();
    server.shutdown().await.unwrap();
    bytes.clear();
    client.read_to_end(&mut bytes).await.unwrap();
    assert_eq!(bytes, b"question");
}

#[tokio::test]
async fn axum_takes_it_as_a_service() {
    let (mut listener, accept) = listener();
    let url = serve(accept).await;
    converse(&url, &mut listener).await;
    converse(&url, &mut listener).await;
}

#[tokio::test]
async fn a_handler_of_axum_has_a_say_first() {
    let (mut listener, accept) = listener();
    let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", tcp.local_addr().unwrap());
    let handler = async move |upgrade: WebSocketUpgrade| -> Response {
        upgrade.data("Ada").on_upgrade(move |ws| accept.deliver(ws))
    };
    let app = Router::new().route("/", any(handler));
    tokio::spawn(async move { axum::serve(tcp, app).await });
    let _client = sockeye::connect(url).await.unwrap();
    let server = listener.accept().await.unwrap();
    assert_eq!(server.websocket().data::<&str>(), Some(&"Ada"));
}

#[tokio::test]
async fn hyper_takes_it_as_a_service_of_its_own_and_of_tower() {
    for by_tower in [false, true] {
        let (mut listener, accept) = listener();
        let tcp = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("ws://{}/", tcp.local_addr().unwrap());
        tokio::spawn(async move {
            while let Ok((stream, _)) = tcp.accept().await {
                let (io, builder) = (TokioIo::new(stream), http1::Builder::new());
                if by_tower {
                    let accept = TowerToHyperService::new(accept.clone());
                    tokio::spawn(builder.serve_connection(io, accept).with_upgrades());
                } else {
                    tokio::spawn(builder.serve_connection(io, accept.clone()).with_upgrades());
                }
            }
        });
        converse(&url, &mut listener).await;
    }
}

#[tokio::test]
async fn the_server_of_this_crate_counts_a_stream_until_it_is_dropped() {
    let (mut listener, accept) = listener();
    let server = Server::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}/", server.local_addr().unwrap());
    let drain = sockeye::Drain::new();
    let server = server.drain(&drain);
    tokio::spawn(server.serve(move |ws| accept.deliver(ws)));
    converse(&url, &mut listener).await;

    let _client = sockeye::connect(&url).await.unwrap();
    let stream = listener.accept().await.unwrap();
    assert_eq!(drain.connections(), 1);
    drop(stream);
    while drain.connections() > 0 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_listener_is_a_stream() {
    let (listener, accept) = listener();
    let url = serve(accept).await;
    let _clients = [sockeye::connect(&url).await.unwrap(), sockeye::connect(&url).await.unwrap()];
    assert_eq!(listener.take(2).count().await, 2);
}

#[tokio::test]
async fn other_requests_and_pages_of_other_origins_are_refused() {
    let (_listener, accept) = listener();
    let options = Options::new().allow_origin("https://*.example.com").unwrap();
    let url = serve(accept.options(options)).await;
    let from = |origin: &str| Client::new(&url).header("Origin", origin);
    from("https://app.example.com").connect().await.unwrap();
    let refused = from("https://example.org").connect().await.unwrap_err();
    let ConnectError::Handshake(HandshakeError::Status { status, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(status, 403);

    let address = url.strip_prefix("ws://").unwrap().strip_suffix("/tunnel").unwrap();
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /tunnel HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 426 Upgrade Required\r\n"), "{answer}");
}
