//! A signal ends `sockeye tunnel open` while it waits for a server that does not answer.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::program::tunnel::open;

#[test]
fn a_signal_ends_the_wait_for_a_silent_server() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ws://{}/tunnel", silent.local_addr().unwrap());
    for (signal, forward) in [
        ("INT", ["-W", "a.test:80"]),
        ("HUP", ["-W", "a.test:80"]),
        ("TERM", ["-R", "0:a.test:80"]),
    ] {
        let arguments = [&[url.as_str(), "--connect-timeout", "10m"][..], &forward].concat();
        let mut child = open(&arguments).stdin(Stdio::null()).spawn().unwrap();
        let _connection = silent.accept().unwrap();
        let id = child.id().to_string();
        let status = Command::new("kill").args([&format!("-{signal}"), &id]).status().unwrap();
        assert!(status.success());
        assert_eq!(child.wait().unwrap().code(), Some(130), "{signal} {forward:?}");
    }
}
