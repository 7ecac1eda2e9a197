//! A server that stops is not ready first, then accepts no more, and then closes its connections.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::TcpStream;

use serde_json::Value;

use crate::program::{self, Server};

#[test]
fn readyz_falsifies_first_and_connections_are_accepted_meanwhile() {
    let mut server = Server::start(&["--drain-delay", "1h"]);
    assert!(server.get("/readyz").ends_with("ok\n"));
    server.signal("TERM");
    server.wait_for("/readyz answers 503");
    let answer = server.get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    let mut stream = server.dial();
    program::upgrade(&mut stream, &server.address);
    drop(stream);
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn requests_on_open_connections_are_answered_for_as_long_as_new_ones_are_accepted() {
    let mut server = Server::start(&["--drain-delay", "1h"]);
    let mut kept = server.dial();
    let address = server.address.clone();
    let ask = |kept: &mut TcpStream| {
        write!(kept, "GET /healthz HTTP/1.1\r\nhost: {address}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        let mut byte = [0];
        while !answer.ends_with(b"ok\n") {
            kept.read_exact(&mut byte).expect("the connection is kept");
            answer.extend(byte);
        }
    };
    ask(&mut kept);
    server.signal("TERM");
    server.wait_for("/readyz answers 503");
    ask(&mut kept);
    ask(&mut kept);
    server.signal("TERM");
    assert_eq!(kept.read(&mut [0; 1]).unwrap(), 0);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn connections_may_go_on_until_another_signal() {
    let mut server = Server::start(&["--drain", "1h"]);
    let mut stream = server.dial();
    program::upgrade(&mut stream, &server.address);
    server.signal("TERM");
    server.wait_for("the open connections may go on for");
    assert!(TcpStream::connect(&server.address).is_err(), "no more are accepted");
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'h', b'i']).unwrap();
    let mut frame = [0; 4];
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(&frame, &[0x81, 2, b'h', b'i']);
    server.signal("TERM");
    stream.read_exact(&mut frame).unwrap();
    assert_eq!(&frame[2..], &1001_u16.to_be_bytes());
    drop(stream);
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn the_log_may_be_json() {
    let mut server = Server::start(&["-v", "--log", "json"]);
    let mut stream = server.dial();
    program::upgrade(&mut stream, &server.address);
    let line: Value = serde_json::from_str(&server.wait_for_line("WebSocket opened")).unwrap();
    assert_eq!(line["level"], "DEBUG");
    assert_eq!(line["message"], "WebSocket opened");
    assert!(line["peer"].as_str().unwrap().starts_with("127.0.0.1:"), "{line}");
    assert!(line["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
}
