//! With `--trust-proxy`, the log and the handlers see the client's address, over HTTP/1.1 with and
//! without TLS.

use std::io::Write;

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
fn a_header_alone_is_not_enough() {
    let error_output = program::error_output(&["serve", "--client-header", "forwarded"]);
    assert!(error_output.contains("--trust-proxy"), "{error_output}");
}
