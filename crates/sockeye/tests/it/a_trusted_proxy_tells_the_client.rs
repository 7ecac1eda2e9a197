//! Behind trusted proxies, handlers and limits use the client's address that the proxies report.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::net::SocketAddr;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
use sockeye::handshake::HandshakeError;
use sockeye::upgrade::{ForwardedHeader, Options, TrustedProxies};
use sockeye::{Client, ConnectError, Server, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

fn serve(server: Server) -> SocketAddr {
    let address = server.local_addr().unwrap();
    tokio::spawn(server.serve(async |mut ws| {
        ws.send(format!("{}", ws.peer_addr().unwrap())).await?;
        ws.recv().await.map(drop)
    }));
    address
}

async fn server() -> Server {
    Server::bind("127.0.0.1:0").await.unwrap()
}

async fn connect(address: SocketAddr, forwarded: &str) -> Result<WebSocket, ConnectError> {
    let name = HeaderName::from_static("x-forwarded-for");
    let client = Client::new(format!("ws://{address}/"));
    client.header(name, HeaderValue::from_str(forwarded).unwrap()).connect().await
}

#[tokio::test]
async fn the_header_of_a_trusted_proxy_tells_the_client() {
    let proxies = TrustedProxies::new(["127.0.0.0/8"]).unwrap();
    let proxies = proxies.header(ForwardedHeader::XForwardedFor);
    let address = serve(server().await.trusted_proxies(proxies));
    let mut ws = connect(address, "198.51.100.1, 203.0.113.7, 127.0.0.9").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("203.0.113.7:0".into()));
}

#[tokio::test]
async fn the_header_of_a_stranger_does_not_count() {
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap();
    let proxies = proxies.header(ForwardedHeader::XForwardedFor);
    let address = serve(server().await.trusted_proxies(proxies));
    let mut ws = connect(address, "203.0.113.7").await.unwrap();
    let said = ws.recv().await.unwrap().unwrap();
    assert!(said.as_text().unwrap().starts_with("127.0.0.1:"), "{said:?}");
}

#[tokio::test]
async fn connections_are_counted_by_the_clients_address() {
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap();
    let proxies = proxies.header(ForwardedHeader::XForwardedFor);
    let server = server().await.trusted_proxies(proxies).max_connections_per_address(1);
    let address = serve(server);
    let _first = connect(address, "203.0.113.7").await.unwrap();
    let _other = connect(address, "203.0.113.8").await.unwrap();
    match connect(address, "203.0.113.7").await.unwrap_err() {
        ConnectError::Handshake(HandshakeError::Status { status, .. }) => assert_eq!(status, 429),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_proxy_header_tells_the_client_of_a_connection() {
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap().proxy_protocol(true);
    let address = serve(server().await.trusted_proxies(proxies));
    let mut v2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    v2.extend([203, 0, 113, 7, 127, 0, 0, 1, 0, 80, 0, 80]);
    for header in [&b"PROXY TCP4 203.0.113.7 127.0.0.1 80 80\r\n"[..], &v2] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(header).await.unwrap();
        let mut ws = Client::new("ws://example.com/").handshake(stream).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some("203.0.113.7:80".into()));
    }
}

#[tokio::test]
async fn a_proxy_without_its_header_gets_nothing_and_has_only_so_long_for_it() {
    let proxies = TrustedProxies::new(["127.0.0.1"]).unwrap().proxy_protocol(true);
    let options = Options::new().handshake_timeout(Duration::from_millis(50));
    let address = serve(server().await.options(options).trusted_proxies(proxies));
    for sent in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"", b"PROXY TCP4 203."] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(sent).await.unwrap();
        let mut answer = Vec::new();
        // The end may be a reset, since the rest of a request is not read.
        let _ = stream.read_to_end(&mut answer).await;
        assert!(answer.is_empty(), "{answer:?}");
    }
}

#[tokio::test]
async fn the_proxy_header_of_a_stranger_is_no_request() {
    let proxies = TrustedProxies::new(["10.0.0.0/8"]).unwrap().proxy_protocol(true);
    let address = serve(server().await.trusted_proxies(proxies));
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"PROXY TCP4 203.0.113.7 127.0.0.1 80 80\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (version, refused) = answer.split_at(9);
    assert!(version == "HTTP/1.1 " && refused.starts_with(['4', '5']), "{answer}");
}
