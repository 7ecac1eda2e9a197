//! `sockeye tunnel serve` writes a line for each connection, whichever end it comes to.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::UdpSocket;

use crate::program::tunnel::{Client, echo, serve};
use crate::program::{file, log_lines};

#[test]
fn connections_that_a_signal_ends_have_their_lines() {
    let target = echo();
    let log = file("tunnel-access-signal.log", "");
    let server = serve(&["--allow", &target.to_string(), "--access-log", log.to_str().unwrap()]);
    let client = Client::start(&server.url, 1, &["-L", &format!("0:{target}")]);
    let mut connections: Vec<_> = (0..3).map(|_| client.dial(0)).collect();
    for connection in &mut connections {
        connection.write_all(b"hello").unwrap();
        connection.read_exact(&mut [0; 5]).unwrap();
    }
    server.signal("TERM");
    server.wait();
    let lines = log_lines(&log, 0);
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in lines {
        assert_eq!(line["outcome"], "session-ended", "{line}");
        assert_eq!((&line["request_bytes"], &line["response_bytes"]), (&5.into(), &5.into()));
    }
}

#[test]
fn datagrams_that_the_client_forgets_are_idle() {
    let target = UdpSocket::bind("127.0.0.1:0").unwrap();
    let address = target.local_addr().unwrap();
    let log = file("tunnel-access-udp.log", "");
    let server = serve(&["--allow", &address.to_string(), "--access-log", log.to_str().unwrap()]);
    let flags = ["--udp", &format!("0:{address}"), "--udp-idle", "1s"];
    let client = Client::start(&server.url, 1, &flags);
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket.send_to(b"hello", &client.addresses[0]).unwrap();
    target.recv(&mut [0; 5]).unwrap();
    let line = &log_lines(&log, 1)[0];
    assert_eq!((&line["kind"], &line["outcome"]), (&"udp".into(), &"idle".into()), "{line}");
}
