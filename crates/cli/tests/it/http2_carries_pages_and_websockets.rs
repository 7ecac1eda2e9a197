//! Over TLS a client chooses by ALPN: one HTTP/2 connection for pages and any number of WebSockets,
//! or HTTP/1.1 as on a plain port.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program;
use std::io::Read;
use std::sync::Arc;

use crate::program::any_issuer;
use h2::client::SendRequest;
use http::{Method, Request};
use sockeye::{Client, CloseCode, Deflate, Shutdown};
use tokio::io::AsyncReadExt as _;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Opens a TLS connection that offers HTTP/2.
async fn dial(server: &program::Server) -> TlsStream<TcpStream> {
    let (config, _) = any_issuer::client_config();
    let mut config = rustls::ClientConfig::clone(&config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let stream = TcpStream::connect(&server.address).await.unwrap();
    let name = "localhost".try_into().unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await.unwrap()
}

/// Returns the status and the body of the response to a request.
async fn ask(
    sender: &SendRequest<bytes::Bytes>,
    method: Method,
    server: &program::Server,
    path: &str,
) -> (u16, String) {
    let uri = format!("https://{}{path}", server.address);
    let request = Request::builder().method(method).uri(uri).body(()).unwrap();
    let mut sender = sender.clone().ready().await.unwrap();
    let (answer, _) = sender.send_request(request, true).unwrap();
    let (parts, mut content) = answer.await.unwrap().into_parts();
    let mut text = Vec::new();
    while let Some(data) = content.data().await {
        text.extend_from_slice(&data.unwrap());
    }
    (parts.status.as_u16(), String::from_utf8(text).unwrap())
}

#[tokio::test]
async fn pages_come_over_http2() {
    let server = program::Server::start(&["--self-signed"]);
    let (sender, connection) = h2::client::handshake(dial(&server).await).await.unwrap();
    tokio::spawn(connection);
    let (status, page) = ask(&sender, Method::GET, &server, "/").await;
    assert_eq!(status, 200);
    assert!(page.starts_with("<!doctype html>"), "{page}");
    assert_eq!(ask(&sender, Method::GET, &server, "/healthz").await, (200, "ok\n".to_owned()));
    assert_eq!(ask(&sender, Method::GET, &server, "/nowhere").await.0, 404);
    let (status, sentence) = ask(&sender, Method::GET, &server, "/echo").await;
    assert_eq!(status, 405);
    assert!(sentence.starts_with("This is a WebSocket"), "{sentence}");
}

#[tokio::test]
async fn websockets_share_a_connection_with_each_other() {
    let mut server = program::Server::start(&["--self-signed", "-v"]);
    let (tls, _) = any_issuer::client_config();
    let client = Client::new(format!("wss://{}/", server.address))
        .tls(tls)
        .subprotocols(["echo.sockeye"])
        .deflate(Deflate::new());
    let http2 = client.connect_http2().await.unwrap();
    let mut sockets = Vec::new();
    for _ in 0..50 {
        let ws = http2.open("/echo").await.unwrap();
        assert_eq!(ws.subprotocol(), Some("echo.sockeye"));
        sockets.push(ws);
    }
    server.wait_for("version=HTTP/2.0");
    // The peer's address is known although an HTTP/2 stream has none.
    server.wait_for("WebSocket opened peer=127.0.0.1:");
    for (at, ws) in sockets.iter_mut().enumerate() {
        ws.send(format!("message {at}")).await.unwrap();
    }
    for (at, ws) in sockets.iter_mut().enumerate().rev() {
        assert_eq!(ws.recv().await.unwrap(), Some(format!("message {at}").into()));
        ws.close(CloseCode::NORMAL_CLOSURE, "").await.unwrap();
    }

    let mut ws = http2.open("/echo").await.unwrap();
    ws.send(vec![7; 16 << 20]).await.unwrap();
    assert_eq!(ws.recv().await.unwrap().unwrap().len(), 16 << 20);

    let client =
        Client::new(format!("wss://{}/echo", server.address)).tls(any_issuer::client_config().0);
    let mut ws = client.connect().await.unwrap();
    server.wait_for("version=HTTP/1.1");
    ws.send("over HTTP/1.1").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("over HTTP/1.1".into()));
}

#[tokio::test]
async fn a_page_of_another_origin_is_refused() {
    let server = program::Server::start(&["--self-signed"]);
    let client = Client::new(format!("wss://{}/", server.address))
        .tls(any_issuer::client_config().0)
        .header("Origin", "https://evil.test");
    let error = client.connect_http2().await.unwrap().open("/echo").await.unwrap_err();
    let reason = error.to_string();
    assert!(reason.contains("403 Forbidden"), "{reason}");
}

#[tokio::test]
async fn a_connection_on_which_nothing_is_open_is_disconnected() {
    let server = program::Server::start(&["--self-signed", "--handshake-timeout", "300ms"]);
    // One client never begins to speak HTTP/2, the other one sends a request and falls silent.
    let silent = dial(&server).await;
    let (sender, connection) = h2::client::handshake(dial(&server).await).await.unwrap();
    let connection = tokio::spawn(connection);
    assert_eq!(ask(&sender, Method::GET, &server, "/healthz").await.0, 200);
    // The test never ends unless both connections end.
    let _ = connection.await.unwrap();
    wait_for_disconnect(silent).await;
}

#[tokio::test]
async fn a_client_that_reads_no_response_is_disconnected_and_one_that_reads_slowly_is_not() {
    // Long enough for a busy machine to make twenty requests in it.
    let server = program::Server::start(&["--self-signed", "--write-timeout", "3s"]);
    let mut window = h2::client::Builder::new();
    window.initial_window_size(0);
    let handshake = window.handshake::<_, bytes::Bytes>(dial(&server).await);
    let (sender, connection) = handshake.await.unwrap();
    let connection = tokio::spawn(connection);
    let request = || {
        let uri = format!("https://{}/style.css", server.address);
        Request::builder().uri(uri).body(()).unwrap()
    };
    let mut sender = sender.ready().await.unwrap();
    let unread: Vec<_> = (0..20).map(|_| sender.send_request(request(), true).unwrap().0).collect();
    // The test never ends unless the connection ends.
    let _ = connection.await.unwrap();
    drop(unread);

    let (sender, connection) = h2::client::handshake(dial(&server).await).await.unwrap();
    tokio::spawn(connection);
    let mut sender: SendRequest<bytes::Bytes> = sender.ready().await.unwrap();
    let (answer, _) = sender.send_request(request(), true).unwrap();
    let mut content = answer.await.unwrap().into_body();
    let mut received = 0;
    while let Some(data) = content.data().await {
        let data = data.unwrap();
        received += data.len();
        content.flow_control().release_capacity(data.len()).unwrap();
    }
    assert_eq!(received, include_str!("../../page/style.css").len());
}

/// Waits until the server ends the connection, by an end of file or an error.
async fn wait_for_disconnect(mut stream: TlsStream<TcpStream>) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[test]
fn ctrl_c_closes_every_websocket_of_a_connection_with_1001() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut server = program::Server::start(&["--self-signed", "--shutdown-timeout", "1h"]);
    let client =
        Client::new(format!("wss://{}/", server.address)).tls(any_issuer::client_config().0);
    let (sockets, http2) = runtime.block_on(async {
        let http2 = client.connect_http2().await.unwrap();
        let mut sockets = Vec::new();
        for _ in 0..3 {
            sockets.push(http2.open("/echo").await.unwrap());
        }
        (sockets, http2)
    });
    server.signal("INT");
    for mut ws in sockets {
        runtime.block_on(async {
            assert_eq!(ws.recv().await.unwrap(), None);
            let frame = ws.close_frame().unwrap();
            assert_eq!(frame.code, CloseCode::GOING_AWAY);
            assert!(Shutdown::retry_hint(frame).is_some(), "{frame}");
        });
    }
    let mut log = String::new();
    server.log.read_to_string(&mut log).unwrap();
    assert_eq!(server.wait().code(), Some(0), "{log}");
    drop(http2);
}

#[test]
fn a_client_that_never_answers_the_close_is_dropped_at_the_deadline() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let server = program::Server::start(&["--self-signed", "--shutdown-timeout", "100ms"]);
    let client =
        Client::new(format!("wss://{}/", server.address)).tls(any_issuer::client_config().0);
    let silent = runtime.block_on(async {
        let http2 = client.connect_http2().await.unwrap();
        (http2.open("/echo").await.unwrap(), http2)
    });
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
    drop(silent);
}
