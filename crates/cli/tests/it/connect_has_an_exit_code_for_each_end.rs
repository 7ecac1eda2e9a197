//! `sockeye connect` ends with a code that says why.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::TcpListener;
use std::process::Stdio;

use crate::program;
use crate::program::connect::{connect, ended_with, run_with, server, websocket};

/// Runs with an input that never ends, so that only the server or a flag can end the program.
#[track_caller]
fn without_input(code: i32, arguments: &[&str]) -> (String, String) {
    let mut child = connect(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // `wait_with_output` would close standard input.
    let _stdin = child.stdin.take();
    ended_with(code, &child.wait_with_output().unwrap())
}

#[test]
fn the_close_frame_of_the_server_ends_the_program() {
    for (code, exit_code) in [(1000, 0), (1001, 0), (1011, 9), (4001, 9)] {
        let url = websocket(move |wire| {
            wire.close(code);
            wire.recv();
        });
        let (stdout, stderr) = without_input(exit_code, &[&url]);
        assert_eq!(stdout, "");
        assert_eq!(stderr.contains(&code.to_string()), exit_code == 9, "{stderr}");
    }
}

#[test]
fn a_connection_that_is_dropped_or_breaks_the_protocol_has_its_own_code() {
    let url = websocket(|wire| wire.text("last words"));
    assert_eq!(without_input(8, &[&url]).0, "last words\n");
    let url = websocket(|wire| {
        wire.frame(0xf1, b"reserved bits");
        wire.recv();
    });
    without_input(7, &[&url]);
    let url = server(|_| "HTTP/1.1 101 Yes\r\n\r\n".to_owned(), |_| {});
    without_input(7, &[&url]);
}

#[test]
fn a_refusal_shows_its_status_and_its_content_escaped() {
    let answer = "HTTP/1.1 301 Moved Permanently\r\nlocation: /chat\r\ncontent-length: 0\r\n\r\n";
    let url = server(|_| answer.to_owned(), |_| {});
    let (_, stderr) = without_input(6, &[&url]);
    assert!(stderr.contains("301 Moved Permanently, to /chat"), "{stderr}");
    let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 10\r\n\r\nno \x1b[2Jfish";
    let url = server(|_| answer.to_owned(), |_| {});
    let (_, stderr) = without_input(6, &[&url]);
    assert!(stderr.contains("403") && stderr.contains(r"no \u{1b}[2J"), "{stderr}");
}

#[test]
fn hosts_ports_and_certificates_have_their_own_codes() {
    without_input(3, &["ws://no-such-host.invalid/"]);
    // The port is free again once the listener is dropped.
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    without_input(4, &[&format!("ws://{address}/")]);
    let server = program::Server::start(&["--self-signed"]);
    without_input(5, &[&server.url]);
    let server = program::Server::start(&[]);
    let (_, stderr) = without_input(5, &[&format!("wss://{}/echo", server.address)]);
    assert!(stderr.contains("Without TLS, the URL begins with ws://"), "{stderr}");
    let (_, stderr) = without_input(2, &["ftp://localhost/"]);
    assert!(stderr.contains("ftp") || stderr.contains("scheme"), "{stderr}");
    without_input(2, &["ws://localhost/", "-H", "no colon"]);
    without_input(2, &["ws://localhost/", "--cacert", "/no/such/file"]);
}

#[test]
fn timeouts_and_missed_expectations_have_their_own_codes() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = format!("ws://{}/", listener.local_addr().unwrap());
    without_input(10, &[&silent, "--connect-timeout", "50ms"]);
    without_input(10, &[&silent, "--timeout", "50ms"]);
    let url = websocket(|wire| {
        assert_eq!(wire.answer_close(), 1001);
    });
    without_input(10, &[&url, "--timeout", "500ms"]);
    let url = websocket(|wire| {
        wire.text("one");
        wire.close(1000);
        wire.recv();
    });
    let (stdout, _) = without_input(11, &[&url, "-n", "2"]);
    assert_eq!(stdout, "one\n");
}

#[test]
fn enough_messages_or_a_match_end_the_program() {
    for (flag, value) in [("-n", "2"), ("--expect", "^tw.$")] {
        let url = websocket(|wire| {
            for text in ["one", "two", "three"] {
                wire.text(text);
            }
            assert_eq!(wire.answer_close(), 1000);
        });
        assert_eq!(without_input(0, &[&url, flag, value]).0, "one\ntwo\n");
    }
}

#[test]
fn input_that_is_no_text_is_a_mistake_of_the_user() {
    let server = program::Server::start(&[]);
    let url = format!("ws://{}/echo", server.address);
    let (_, stderr) = ended_with(2, &run_with(b"\xff\n", &[&url]));
    assert!(stderr.contains("--binary"), "{stderr}");
    let (_, stderr) = ended_with(2, &run_with(b"123456\n", &[&url, "--max-message", "5"]));
    assert!(stderr.contains("--max-message"), "{stderr}");
}

#[cfg(unix)]
#[test]
fn a_signal_closes_the_connection() {
    for signal in ["-INT", "-TERM"] {
        closes_after(signal);
    }
}

#[cfg(unix)]
fn closes_after(signal: &str) {
    let (started, is_started) = std::sync::mpsc::channel();
    let url = websocket(move |wire| {
        wire.text("hello");
        wire.recv();
        started.send(()).unwrap();
        assert_eq!(wire.answer_close(), 1001);
    });
    let child = connect(&[&url, "-d", "hi", "--on-eof", "stay"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    is_started.recv().unwrap();
    let status = std::process::Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status()
        .unwrap();
    assert!(status.success());
    ended_with(130, &child.wait_with_output().unwrap());
}
