//! A client that connects and stalls is disconnected.

use crate::program;
use std::io::{Read, Write};

/// Reads to the end, which comes only when the server closes the connection.
fn read_to_end(mut stream: impl Read) -> String {
    let mut bytes = Vec::new();
    // A reset is an end as well: the server need not close a stalled connection cleanly.
    let _ = stream.read_to_end(&mut bytes);
    String::from_utf8_lossy(&bytes).into_owned()
}

#[test]
fn a_client_that_sends_nothing_is_disconnected() {
    let server = program::Server::start(&["--handshake-timeout", "50ms"]);
    assert_eq!(read_to_end(server.dial()), "");
}

#[test]
fn a_client_that_stops_within_the_head_is_disconnected() {
    let server = program::Server::start(&["--handshake-timeout", "50ms"]);
    let mut stream = server.dial();
    stream.write_all(b"GET /echo HTTP/1.1\r\nhost:").unwrap();
    assert_eq!(read_to_end(stream), "");
}

#[test]
fn a_websocket_that_leaves_pings_unanswered_is_disconnected() {
    let server = program::Server::start(&["--idle-timeout", "100ms", "--shutdown-timeout", "1ms"]);
    let mut stream = server.dial();
    program::upgrade(&mut stream, &server.address);
    let mut ping = [0; 1];
    stream.read_exact(&mut ping).expect("a ping before the end");
    assert_eq!(ping, [0x89]);
    read_to_end(stream);
}

#[test]
fn a_client_that_never_begins_tls_is_disconnected() {
    let server = program::Server::start(&["--handshake-timeout", "50ms", "--self-signed"]);
    assert_eq!(read_to_end(server.dial()), "");
}
