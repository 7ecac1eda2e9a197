//! The health check of load balancers.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read as _;

use crate::program::Server;

#[test]
fn healthz_answers_ok() {
    let answer = Server::start(&[]).get("/healthz");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nok\n"), "{answer}");
}

#[test]
fn a_check_that_only_connects_leaves_no_warning() {
    for flags in [&[][..], &["--self-signed"]] {
        let mut server = Server::start(flags);
        for _ in 0..20 {
            drop(server.dial());
        }
        server.signal("TERM");
        let mut log = String::new();
        server.log.read_to_string(&mut log).unwrap();
        assert!(!log.contains("WARN") && !log.contains("ERROR"), "{log}");
    }
}
