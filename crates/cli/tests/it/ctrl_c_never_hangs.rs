//! The server stops whatever its clients do: after the closing handshakes, at the timeout, or at
//! once on a second signal. A hang shows as a test that never ends.
#![cfg(unix)]

use crate::program;
use std::io::{Read, Write};

#[test]
fn idle_http_connections_do_not_keep_the_server() {
    let server = program::Server::start(&["--shutdown-timeout", "1h", "--handshake-timeout", "1h"]);
    let mut kept_alive = server.dial();
    write!(kept_alive, "GET /healthz HTTP/1.1\r\nhost: {}\r\n\r\n", server.address).unwrap();
    let mut answer = [0; 15];
    kept_alive.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_request_that_never_ends_is_dropped_at_the_deadline() {
    let server =
        program::Server::start(&["--shutdown-timeout", "100ms", "--handshake-timeout", "1h"]);
    let mut incomplete = server.dial();
    write!(incomplete, "GET /healthz HT").unwrap();
    // A response on a later connection shows that the earlier one was accepted.
    assert!(server.get("/healthz").ends_with("ok\n"));
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_client_that_never_answers_the_close_is_dropped_at_the_deadline() {
    let server = program::Server::start(&["--shutdown-timeout", "100ms"]);
    let mut silent = server.dial();
    program::upgrade(&mut silent, &server.address);
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(0));
}

#[test]
fn a_second_ctrl_c_exits_at_once() {
    let mut server = program::Server::start(&["--shutdown-timeout", "1h"]);
    let mut silent = server.dial();
    program::upgrade(&mut silent, &server.address);
    server.signal("INT");
    server.wait_for("shutting down");
    server.signal("INT");
    assert_eq!(server.wait().code(), Some(130));
}

#[cfg(feature = "redis")]
#[test]
fn a_bus_that_does_not_answer_does_not_keep_the_program() {
    let bus = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("redis://{}", bus.local_addr().unwrap());
    let mut program = program::sockeye(&["serve", "--listen", "127.0.0.1:0", "--bus", &url]);
    let mut program = program.spawn().unwrap();
    let _silent = bus.accept().unwrap();
    let id = program.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(program.wait().unwrap().code(), Some(0));
}
