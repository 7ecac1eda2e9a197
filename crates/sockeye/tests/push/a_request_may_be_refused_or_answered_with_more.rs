//! The opening handshake of the handler server: a handler's options for a request, and the parts of
//! it that are kept.

use std::sync::mpsc::channel;

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, StatusCode};
use sockeye::handshake::{Refusal, Request};
use sockeye::push::{Answer, Callbacks, Connection, Server};
use sockeye::upgrade::Options;
use sockeye::{CloseFrame, MessageRef};

use crate::peer::{Peer, TEST_TIMEOUT, request};
use crate::serving::Running;
use crate::wire::{self, FIN, TEXT};

fn start(callbacks: Callbacks) -> Running {
    Running::start(Server::new(move || callbacks.clone()).workers(1))
}

#[test]
fn a_handler_may_refuse_a_request() {
    let (opened, paths) = channel();
    let callbacks = Callbacks::new()
        .on_upgrade(|request: &Request<'_>, _: &mut Answer| match request.query("token") {
            Some(token) if token == "secret" => Ok(()),
            _ => Err(Refusal::unauthorized("who are you?").header(
                HeaderName::from_static("www-authenticate"),
                HeaderValue::from_static("Token"),
            )),
        })
        .on_open(move |_, request: &Request<'_>| opened.send(request.target().to_owned()).unwrap());
    let running = start(callbacks);
    let mut refused = Peer::dial(running.address);
    refused.send(request("/?token=guess", "").as_bytes());
    let head = refused.head().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 401 "), "{head}");
    assert!(head.contains("\r\nwww-authenticate: token\r\n"), "{head}");
    refused.drain();
    let _peer = Peer::ask(running.address, "/?token=secret");
    running.stop();
    assert_eq!(paths.iter().collect::<Vec<_>>(), ["/?token=secret"]);
}

#[test]
fn a_handler_may_refuse_with_any_body_and_attach_data_to_those_it_lets_in() {
    struct User(String);
    let callbacks = Callbacks::new()
        .on_upgrade(|request, answer| {
            assert!(answer.peer_addr().ip().is_loopback());
            let Some(name) = request.header("X-User") else {
                let json = HeaderValue::from_static("application/json");
                return Err(Refusal::new(StatusCode::PAYMENT_REQUIRED, "")
                    .content(json, &b"{\"due\":\"\xff\"}"[..]));
            };
            answer.set_data(User(String::from_utf8_lossy(name).into_owned()));
            Ok(())
        })
        .on_message(|connection, _| {
            let name = connection.data().map(|User(name)| name.clone()).unwrap();
            connection.send(name.as_str());
        });
    let running = start(callbacks);
    let mut refused = Peer::dial(running.address);
    refused.send(request("/", "").as_bytes());
    let head = refused.head().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 402 "), "{head}");
    assert!(head.contains("\r\ncontent-type: application/json\r\n"), "{head}");
    assert_eq!(refused.rest(), b"{\"due\":\"\xff\"}");
    let mut peer = Peer::dial(running.address);
    peer.send(request("/", "X-User: Ada\r\n").as_bytes());
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    peer.text("who am I?");
    assert_eq!(peer.message(), b"Ada");
    running.stop();
}

#[test]
fn requests_that_break_the_rules_never_reach_the_handler() {
    let callbacks = Callbacks::new()
        .on_upgrade(|request, _| panic!("asked: {request:?}"))
        .on_open(|_, request| panic!("opened: {request:?}"))
        .on_error(|_, error| panic!("failed: {error:?}"))
        .on_close(|_, frame| panic!("closed: {frame:?}"));
    let running = start(callbacks);
    let good = request("/", "");
    for (bytes, status) in [
        ("GET / HTTP/1.1\r\nHost: example.com\r\n\r\n".to_owned(), StatusCode::UPGRADE_REQUIRED),
        (good.replace("Version: 13", "Version: 12"), StatusCode::UPGRADE_REQUIRED),
        (good.replace("GET", "POST"), StatusCode::METHOD_NOT_ALLOWED),
        (request("/", "Origin: https://elsewhere.example\r\n"), StatusCode::FORBIDDEN),
        (good.replace("\r\nHost", "\r\nHost: example.com\r\nHost"), StatusCode::BAD_REQUEST),
    ] {
        let mut peer = Peer::dial(running.address);
        peer.send(bytes.as_bytes());
        let head = peer.head();
        assert!(head.starts_with(&format!("HTTP/1.1 {} ", status.as_u16())), "{bytes}: {head}");
        peer.drain();
    }
    running.stop();
}

#[test]
fn a_handler_may_add_headers_and_choose_a_subprotocol() {
    let (report, reports) = channel();
    let callbacks = Callbacks::new()
        .on_upgrade(|request, response| {
            let mut headers = HeaderMap::new();
            headers.insert("x-served-by", HeaderValue::from_static("nine"));
            response.extend(&headers);
            assert!(!response.choose_subprotocol(request, "unasked"));
            assert!(response.choose_subprotocol(request, "second"));
            Ok(())
        })
        .on_open(move |connection, _| {
            report.send(connection.subprotocol().map(str::to_owned)).unwrap();
        });
    let running = start(callbacks);
    let mut peer = Peer::dial(running.address);
    peer.send(request("/", "Sec-WebSocket-Protocol: first, second\r\n").as_bytes());
    let head = peer.head().to_ascii_lowercase();
    assert!(head.starts_with("http/1.1 101 "), "{head}");
    assert!(head.contains("\r\nx-served-by: nine\r\n"), "{head}");
    assert!(head.contains("\r\nsec-websocket-protocol: second\r\n"), "{head}");
    assert_eq!(reports.recv_timeout(TEST_TIMEOUT).unwrap().as_deref(), Some("second"));
    running.stop();
}

#[test]
fn the_options_choose_a_subprotocol() {
    let options = Options::new().subprotocols(["b", "a"]);
    let running = Running::start(Server::new(Callbacks::new).workers(1).options(options));
    let mut peer = Peer::dial(running.address);
    peer.send(request("/", "Sec-WebSocket-Protocol: a, b\r\n").as_bytes());
    let head = peer.head().to_ascii_lowercase();
    assert!(head.contains("\r\nsec-websocket-protocol: b\r\n"), "{head}");
    running.stop();
}

#[test]
fn what_open_sends_follows_the_answer_and_frames_sent_with_the_request_are_not_lost() {
    let callbacks = Callbacks::new()
        .on_open(|connection, _| {
            connection.send("welcome");
            connection.send_shared(vec![7; 10_000]);
        })
        .on_message(|connection, message| {
            connection.send(message);
        });
    let running = start(callbacks);
    let frames = [wire::text("early"), wire::masked(FIN | TEXT, &[b'x'; 9000])].concat();
    // With the request, cut within the frames, and one byte at a time.
    for cut in [0, 3, 40, 5000, frames.len()] {
        let mut peer = Peer::dial(running.address);
        peer.send(&[request("/", "").as_bytes(), &frames[..cut]].concat());
        assert!(peer.head().starts_with("HTTP/1.1 101 "));
        peer.send(&frames[cut..]);
        assert_eq!(peer.message(), b"welcome");
        assert_eq!(peer.message(), [7; 10_000]);
        assert_eq!(peer.message(), b"early");
        assert_eq!(peer.message(), [b'x'; 9000]);
    }
    let mut peer = Peer::dial(running.address);
    for byte in [request("/", "").as_bytes(), &wire::text("slowly")].concat() {
        peer.send(&[byte]);
    }
    assert!(peer.head().starts_with("HTTP/1.1 101 "));
    assert_eq!(peer.message(), b"welcome");
    assert_eq!(peer.message().len(), 10_000);
    assert_eq!(peer.message(), b"slowly");
    running.stop();
}

/// Answers with the stored request.
fn tell_request(connection: &mut Connection, _: MessageRef<'_>) {
    let known = connection.request().map(|head| format!("{head:?}"));
    connection.send(known.as_deref().unwrap_or("nothing"));
}

#[test]
fn the_request_is_kept_by_default() {
    for keep in [true, false] {
        let callbacks = Callbacks::new().on_message(tell_request);
        let server = Server::new(move || callbacks.clone()).workers(1).keep_requests(keep);
        let running = Running::start(server);
        let mut peer = Peer::dial(running.address);
        peer.send(request("/kept?or=not", "X-Token: abc\r\n").as_bytes());
        peer.head();
        peer.text("what did I ask?");
        let known = String::from_utf8(peer.message()).unwrap();
        assert_eq!(known.contains("/kept?or=not"), keep, "{known}");
        assert_eq!(known.to_ascii_lowercase().contains("x-token"), keep, "{known}");
        assert_eq!(known == "nothing", !keep, "{known}");
        running.stop();
    }
}

#[test]
fn data_stays_with_its_connection_to_the_end() {
    let (report, reports) = channel();
    let callbacks = Callbacks::new()
        .on_open(|connection, _| {
            connection.set_data("replaced");
            connection.set_data(0_u32);
            assert_eq!(connection.data::<&str>(), None);
        })
        .on_message(|connection, _| {
            let count = connection.data::<u32>().unwrap();
            *count += 1;
            let count = count.to_string();
            connection.send(count.as_str());
        })
        .on_close(move |connection, _: Option<&CloseFrame>| {
            report.send(*connection.data::<u32>().unwrap()).unwrap();
        });
    let running = start(callbacks);
    let mut peers = [Peer::connect(running.address), Peer::connect(running.address)];
    for count in ["1", "2", "3"] {
        for peer in &mut peers {
            peer.text("count");
            assert_eq!(peer.message(), count.as_bytes());
        }
    }
    peers[0].text("count");
    assert_eq!(peers[0].message(), b"4");
    for (mut peer, count) in peers.into_iter().zip([4, 3]) {
        peer.send(&wire::close(1000));
        assert_eq!(reports.recv_timeout(TEST_TIMEOUT).unwrap(), count);
    }
    running.stop();
}
