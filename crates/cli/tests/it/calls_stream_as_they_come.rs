//! Requests are sent and responses are printed as they come, and Ctrl-C cancels the call.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use crate::program;
use crate::program::grpc::{ECHO, Grpc};

fn start(address: &str, method: &str, flags: &[&str]) -> Child {
    let method = format!("{ECHO}/{method}");
    let mut command = program::sockeye(&["call", address, &method, "--output", "ndjson"]);
    command.args(flags).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command.spawn().expect("sockeye can be started")
}

#[test]
fn a_stream_in_both_directions_is_a_conversation() {
    let grpc = Grpc::start();
    let gateway = grpc.gateway();
    for protocol in ["grpc", "grpc-web", "grpc-web-text", "connect", "websocket", "json"] {
        let mut child = start(&gateway, "Chat", &["--protocol", protocol]);
        let mut input = child.stdin.take().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        for text in ["a", "b"] {
            writeln!(input, "{{\"text\":\"{text}\"}}").unwrap();
            let mut line = String::new();
            output.read_line(&mut line).unwrap();
            assert!(line.contains(&format!("\"text\":\"{text}\"")), "{protocol}: {line}");
        }
        drop(input);
        let ended = child.wait_with_output().unwrap();
        let errors = String::from_utf8_lossy(&ended.stderr);
        assert_eq!(ended.status.code(), Some(0), "{protocol}: {errors}");
    }
}

#[test]
fn ctrl_c_cancels_the_call() {
    let grpc = Grpc::start();
    let mut in_progress = grpc.server.echo.in_progress();
    let mut child = start(&grpc.address(), "Stall", &["-d", r#"{"text":"a"}"#]);
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "{\"text\":\"a\"}\n");
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    grpc.block_on(in_progress.wait_for(|count| *count == 0)).unwrap();
}

#[test]
fn a_mistake_in_a_later_request_ends_the_call() {
    let grpc = Grpc::start();
    let mut child = start(&grpc.address(), "Chat", &[]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    writeln!(input, "{{\"text\":\"a\"}}").unwrap();
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert_eq!(line, "{\"text\":\"a\"}\n");
    writeln!(input, "{{\"number\":\"x\"}}").unwrap();
    let ended = child.wait_with_output().unwrap();
    let errors = String::from_utf8_lossy(&ended.stderr);
    assert_eq!(ended.status.code(), Some(2), "{errors}");
    assert!(errors.contains("request 2"), "{errors}");
    assert!(errors.contains("number: "), "{errors}");
}

#[test]
fn a_file_is_an_input() {
    let grpc = Grpc::start();
    let path = std::env::temp_dir().join(format!("sockeye-call-{}.json", std::process::id()));
    std::fs::write(&path, "{\"text\":\"a\"}\n{\"text\":\"b\"}\n").unwrap();
    let data = format!("@{}", path.display());
    let child = start(&grpc.address(), "Collect", &["-d", &data]);
    let ended = child.wait_with_output().unwrap();
    std::fs::remove_file(&path).unwrap();
    let out = String::from_utf8(ended.stdout).unwrap();
    assert_eq!(out, "{\"text\":\"ab\",\"number\":\"2\"}\n");
}
