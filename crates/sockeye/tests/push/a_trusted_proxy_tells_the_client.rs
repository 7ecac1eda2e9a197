//! Behind trusted proxies, callbacks and limits use the client's address that the proxies report.

use std::time::Duration;

use sockeye::Client;
use sockeye::push::{Connection, Server};
use sockeye::upgrade::{ForwardedHeader, Options, TrustedProxies};
use tokio::io::{AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::certificate::certificate;
use crate::peer::{Peer, request};
use crate::recorder::{Recorder, Seen, record};
use crate::serving::Running;

const LINE: &[u8] = b"PROXY TCP4 203.0.113.7 127.0.0.1 80 80\r\n";

/// Returns a server that sends each client its address.
fn server() -> Server<impl Fn() -> Recorder + Send + Sync + 'static> {
    let (make, _log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            let address = connection.peer_addr().to_string();
            connection.send(address.as_str());
        }
    });
    Server::new(make).workers(1)
}

fn proxies() -> TrustedProxies {
    TrustedProxies::new(["127.0.0.0/8"]).unwrap()
}

fn binary_header() -> Vec<u8> {
    let mut header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    header.extend([203, 0, 113, 7, 127, 0, 0, 1, 0, 80, 0, 80]);
    header
}

/// Requests a connection after the header of a proxy, and returns the head of the response.
fn request_upgrade(peer: &mut Peer, header: &[u8], more: &str) -> String {
    peer.send(&[header, request("/", more).as_bytes()].concat());
    peer.head()
}

#[test]
fn a_proxy_header_gives_the_address_of_the_client_however_it_is_split() {
    let running = Running::start(server().trusted_proxies(proxies().proxy_protocol(true)));
    for header in [LINE.to_vec(), binary_header()] {
        let mut peer = Peer::dial(running.address);
        assert!(request_upgrade(&mut peer, &header, "").starts_with("HTTP/1.1 101 "));
        assert_eq!(peer.message(), b"203.0.113.7:80");
        let mut peer = Peer::dial(running.address);
        for byte in header.chunks(1) {
            peer.send(byte);
        }
        assert!(request_upgrade(&mut peer, b"", "").starts_with("HTTP/1.1 101 "));
        assert_eq!(peer.message(), b"203.0.113.7:80");
    }
    running.stop();
}

#[tokio::test]
async fn a_proxy_header_comes_before_tls() {
    let (config, client) = certificate("127.0.0.1");
    let server = server().tls(config).trusted_proxies(proxies().proxy_protocol(true));
    let running = Running::start(server);
    let proxy = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, target) = (proxy.local_addr().unwrap(), running.address);
    tokio::spawn(async move {
        let (mut near, _) = proxy.accept().await.unwrap();
        let mut far = TcpStream::connect(target).await.unwrap();
        far.write_all(LINE).await.unwrap();
        copy_bidirectional(&mut near, &mut far).await
    });
    let client = Client::new(format!("wss://{address}/")).tls(client);
    let mut ws = client.connect().await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some("203.0.113.7:80".into()));
    ws.close(1000, "").await.unwrap();
    tokio::task::spawn_blocking(|| running.stop()).await.unwrap();
}

#[test]
fn connections_are_counted_by_the_clients_address() {
    let by_header = proxies().header(ForwardedHeader::XForwardedFor);
    let by_protocol = proxies().proxy_protocol(true);
    for (proxies, header) in [(by_header, &b""[..]), (by_protocol, LINE)] {
        let server = server().trusted_proxies(proxies).max_connections_per_address(1);
        let running = Running::start(server);
        let forwarded = "X-Forwarded-For: 203.0.113.7\r\n";
        let mut first = Peer::dial(running.address);
        assert!(request_upgrade(&mut first, header, forwarded).starts_with("HTTP/1.1 101 "));
        let mut second = Peer::dial(running.address);
        let answer = request_upgrade(&mut second, header, forwarded);
        assert!(answer.starts_with("HTTP/1.1 429 "), "{answer}");
        let other = "X-Forwarded-For: 203.0.113.8\r\n";
        let header = String::from_utf8_lossy(header).replace(".7", ".8").into_bytes();
        let mut third = Peer::dial(running.address);
        assert!(request_upgrade(&mut third, &header, other).starts_with("HTTP/1.1 101 "));
        // The slot is released with its connection.
        first.reset();
        let again = || {
            let mut peer = Peer::dial(running.address);
            let header = String::from_utf8_lossy(&header).replace(".8", ".7").into_bytes();
            request_upgrade(&mut peer, &header, forwarded).starts_with("HTTP/1.1 101 ")
        };
        while !again() {}
        running.stop();
    }
}

#[test]
fn a_proxy_that_sends_no_header_in_time_is_disconnected_without_a_response() {
    let options = Options::new().handshake_timeout(Duration::from_millis(50));
    let proxies = proxies().proxy_protocol(true);
    let running = Running::start(server().options(options).trusted_proxies(proxies));
    for sent in [&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], b"", b"PROXY TCP4 203."] {
        let mut peer = Peer::dial(running.address);
        peer.send(sent);
        assert_eq!(peer.rest(), b"");
    }
    running.stop();
}

#[test]
fn the_proxy_header_of_a_stranger_is_no_request() {
    let strangers = TrustedProxies::new(["10.0.0.0/8"]).unwrap().proxy_protocol(true);
    let running = Running::start(server().trusted_proxies(strangers));
    let mut peer = Peer::dial(running.address);
    let answer = request_upgrade(&mut peer, LINE, "");
    assert!(answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5"), "{answer}");
    running.stop();
}
