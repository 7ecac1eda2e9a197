//! A signal to stop lets the calls in progress end.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};

use sockeye_gateway_testing::Server as Upstream;

use crate::program::Server;

async fn start(arguments: &[&str]) -> (Upstream, Server) {
    let upstream = Upstream::start().await;
    let url = upstream.url();
    let server = Server::start_gateway(&[&["--upstream", &url], arguments].concat());
    server.wait_for_status("/readyz", 200);
    (upstream, server)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_in_progress_ends_first() {
    let (upstream, mut server) = start(&["--shutdown-timeout", "1h"]).await;
    let mut call = server.send_get("/v1/wait/300");
    upstream.echo.in_progress().wait_for(|count| *count == 1).await.unwrap();
    server.signal("TERM");
    server.wait_for("waiting for the calls in progress");
    let mut answer = String::new();
    call.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.contains("\"number\":\"300\""), "{answer}");
    assert_eq!(server.wait().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_without_an_end_is_cut_off_at_the_timeout() {
    let (upstream, mut server) = start(&["--shutdown-timeout", "100ms"]).await;
    let mut call = BufReader::new(server.send_get("/v1/stall"));
    let mut line = String::new();
    while !line.contains("result") {
        line.clear();
        assert_ne!(call.read_line(&mut line).unwrap(), 0);
    }
    server.signal("TERM");
    server.wait_for("were cut off");
    assert_eq!(server.wait().code(), Some(0));
    upstream.echo.in_progress().wait_for(|count| *count == 0).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn readyz_falsifies_first_and_calls_go_on_meanwhile() {
    let (_upstream, mut server) = start(&["--drain-delay", "1h"]).await;
    server.signal("TERM");
    server.wait_for("/readyz answers 503");
    let answer = server.get("/readyz");
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");
    assert!(answer.ends_with("the server is shutting down\n"), "{answer}");
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    assert!(server.get("/v1/echo/hi").starts_with("HTTP/1.1 200 "));
    server.signal("TERM");
    assert_eq!(server.wait().code(), Some(0));
}
