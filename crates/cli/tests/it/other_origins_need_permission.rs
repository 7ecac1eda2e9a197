//! A page of another origin connects only if `--allow-origin` allows that origin.

use crate::program;
use std::io::{Read, Write};

/// Returns the status line of the response to an upgrade requested by a page of `origin`.
fn status(server: &program::Server, origin: &str) -> String {
    let mut stream = server.dial();
    write!(
        stream,
        "GET /echo HTTP/1.1\r\nhost: {}\r\norigin: {origin}\r\nconnection: upgrade\r\n\
         upgrade: websocket\r\nsec-websocket-version: 13\r\n\
         sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        server.address
    )
    .expect("the server takes a request");
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("the server answers");
    String::from_utf8_lossy(&status).into_owned()
}

#[test]
fn only_our_own_page_connects_by_default() {
    let server = program::Server::start(&[]);
    assert_eq!(status(&server, &format!("http://{}", server.address)), "HTTP/1.1 101");
    assert_eq!(status(&server, "https://app.example.com"), "HTTP/1.1 403");
}

#[test]
fn allow_origin_lets_others_connect_and_only_those() {
    let server = program::Server::start(&["--allow-origin", "https://*.example.com"]);
    assert_eq!(status(&server, "https://app.example.com"), "HTTP/1.1 101");
    assert_eq!(status(&server, "https://example.org"), "HTTP/1.1 403");
}

#[test]
fn an_invalid_origin_pattern_is_refused_at_the_start() {
    let error_output = program::error_output(&["serve", "--allow-origin", "https://a.*.com"]);
    assert!(error_output.contains("https://a.*.com"), "{error_output}");
    assert!(error_output.contains("http://localhost:*"), "{error_output}");
}
