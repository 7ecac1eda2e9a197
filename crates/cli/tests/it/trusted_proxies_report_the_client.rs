//! With `--trust-proxy`, the log and the handlers see the client's address, over HTTP/1.1 with and
//! without TLS.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read, Write};

use crate::program;

#[test]
fn a_header_reports_the_client() {
    let flags = ["-v", "--trust-proxy", "127.0.0.0/8", "--client-header", "x-forwarded-for"];
    let mut server = program::Server::start(&flags);
    let mut stream = server.dial();
    write!(
        stream,
        "GET /echo HTTP/1.1\r\nhost: {}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
         x-forwarded-for: 198.51.100.1, 203.0.113.7\r\n\r\n",
        server.address
    )
    .unwrap();
    server.wait_for("WebSocket opened peer=203.0.113.7:0");
}

#[test]
fn a_proxy_header_reports_the_client() {
    let flags = ["-v", "--trust-proxy", "127.0.0.1", "--proxy-protocol"];
    let mut server = program::Server::start(&flags);
    let mut stream = server.dial();
    stream.write_all(b"PROXY TCP4 203.0.113.7 127.0.0.1 4711 80\r\n").unwrap();
    program::upgrade(&mut stream, &server.address);
    server.wait_for("WebSocket opened peer=203.0.113.7:4711");
}

#[test]
fn a_proxy_header_has_a_deadline_and_a_stranger_may_not_send_one() {
    let flags = ["-v", "--trust-proxy", "127.0.0.1", "--proxy-protocol"];
    let mut server =
        program::Server::start(&[&flags[..], &["--handshake-timeout", "100ms"]].concat());
    let mut silent = server.dial();
    silent.write_all(b"PROXY TCP4 203.0").unwrap();
    server.wait_for("timed out waiting for the PROXY header");
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);

    let server = program::Server::start(&["--trust-proxy", "203.0.113.0/24", "--proxy-protocol"]);
    let mut stranger = server.dial();
    write!(stranger, "PROXY TCP4 192.0.2.7 127.0.0.1 4711 80\r\nGET /healthz HTTP/1.1\r\n")
        .unwrap();
    write!(stranger, "host: {}\r\n\r\n", server.address).unwrap();
    let mut status = [0; 12];
    stranger.read_exact(&mut status).unwrap();
    assert_eq!(&status, b"HTTP/1.1 400");
}

#[test]
fn a_trusted_proxy_without_a_header_is_logged() {
    let mut server = program::Server::start(&["--trust-proxy", "127.0.0.1", "--proxy-protocol"]);
    // A check of the port.
    drop(server.dial());
    let mut stream = server.send_get("/healthz");
    assert_eq!(stream.read(&mut [0; 1]).unwrap_or(0), 0);
    server.wait_for("connection of a trusted proxy ended: a PROXY header was expected");
}

#[test]
fn a_header_alone_is_not_enough() {
    let error_output = program::error_output(&["serve", "--client-header", "forwarded"]);
    assert!(error_output.contains("--trust-proxy"), "{error_output}");
}

#[test]
fn a_check_by_the_proxy_itself_is_answered() {
    const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";
    let server = program::Server::start(&["--trust-proxy", "127.0.0.1", "--proxy-protocol"]);
    let local = |rest: &[u8]| [SIGNATURE, rest].concat();
    for header in [
        b"PROXY UNKNOWN\r\n".to_vec(),
        // LOCAL without an address, and with one that means nothing.
        local(&[0x20, 0x00, 0, 0]),
        local(&[0x20, 0x11, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
    ] {
        let mut stream = server.dial();
        stream.write_all(&header).unwrap();
        write!(stream, "GET /healthz HTTP/1.1\r\nhost: {}\r\n", server.address).unwrap();
        write!(stream, "connection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{header:?}: {answer}");
    }
}
