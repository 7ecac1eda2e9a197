//! A page whose name was made to resolve to this machine (DNS rebinding) gets neither pages nor
//! WebSockets.

use crate::program;

use std::io::{Read, Write};

/// Returns the status of the response to a request with these headers and, at the paths of
/// WebSockets, those of an upgrade.
fn status(server: &program::Server, path: &str, headers: &str) -> String {
    let mut stream = server.dial();
    let upgrade = match path {
        "/echo" | "/grpc" | "/hub" | "/connection/websocket" => {
            "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
             sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        }
        _ => "",
    };
    let request = format!("GET {path} HTTP/1.1\r\n{headers}{upgrade}\r\n");
    // The server may refuse a long head, and close, before it has taken all of it.
    let _ = stream.write_all(request.as_bytes());
    let mut status = [0; 12];
    stream.read_exact(&mut status).expect("the server answers");
    String::from_utf8_lossy(&status[9..]).into_owned()
}

/// Returns the status of the response to a GET by this host, from a page of this host.
fn of_host(server: &program::Server, path: &str, host: &str) -> String {
    status(server, path, &format!("host: {host}\r\norigin: http://{host}\r\n"))
}

#[test]
fn a_rebound_name_gets_neither_pages_nor_websockets() {
    let server = program::Server::start(&[]);
    let port = server.address.rsplit_once(':').unwrap().1;
    for host in
        [&format!("evil.example:{port}"), "evil.example", "192.0.2.1", "localhost.evil.example"]
    {
        for path in [
            "/",
            "/app.js",
            "/echo",
            "/grpc",
            "/hub",
            "/connection/websocket",
            "/hub.json",
            "/rooms/lobby/messages",
            "/healthz",
            "/server.json",
            "/nothing",
        ] {
            assert_eq!(of_host(&server, path, host), "421", "{host} {path}");
        }
    }
    for host in [&server.address, "localhost", "LOCALHOST:1", "[::1]:8080", "127.0.0.1"] {
        assert_eq!(of_host(&server, "/", host), "200", "{host}");
        assert_eq!(of_host(&server, "/echo", host), "101", "{host}");
    }
}

#[test]
fn allow_host_lets_a_name_in() {
    let server = program::Server::start(&["--allow-host", "*.example.com"]);
    assert_eq!(of_host(&server, "/", "app.example.com:81"), "200");
    assert_eq!(of_host(&server, "/echo", "app.example.com"), "101");
    assert_eq!(of_host(&server, "/", "example.org"), "421");
}

#[test]
fn a_request_without_a_host_or_with_a_bad_one_is_answered_400() {
    let server = program::Server::start(&[]);
    for headers in ["", "host: localhost\r\nhost: localhost\r\n", "host: a b\r\n", "host:\r\n"] {
        for path in ["/", "/echo", "/nothing"] {
            assert_eq!(status(&server, path, headers), "400", "{headers:?} {path}");
        }
    }
}

#[test]
fn the_host_of_a_whole_url_counts() {
    let server = program::Server::start(&[]);
    let host = "host: localhost\r\n";
    assert_eq!(status(&server, "http://localhost/", host), "200");
    assert_eq!(status(&server, "http://evil.example/", host), "421");
}

#[test]
fn a_head_over_32_kib_is_refused_and_one_below_is_not() {
    let server = program::Server::start(&[]);
    let with = |length| format!("host: localhost\r\nx-padding: {}\r\n", "a".repeat(length));
    assert_eq!(status(&server, "/", &with(30_000)), "200");
    assert_eq!(status(&server, "/", &with(35_000)), "431");
    assert_eq!(status(&server, "/", &with(100_000)), "431");
}
