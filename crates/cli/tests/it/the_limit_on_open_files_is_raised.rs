//! A server raises the limit on open files, and warns if it stays below `--max-connections`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

use crate::program::Server;

/// Starts `sockeye serve` from a shell with these limits on open files.
fn start(limits: &str) -> Server {
    let mut command = Command::new("sh");
    let script =
        format!("{limits} && exec \"$0\" serve --listen 127.0.0.1:0 --max-connections 300");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_sockeye")]).env_remove("RUST_LOG");
    Server::start_command(command)
}

#[test]
fn a_server_takes_as_many_files_as_it_may() {
    let server = start("ulimit -Sn 200 && ulimit -Hn 500");
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", server.id())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    assert_eq!(files.split_whitespace().nth(3), Some("500"), "{limits}");
}

#[test]
fn a_limit_that_is_too_low_is_logged() {
    let mut server = start("ulimit -n 200");
    server.wait_for("--max-connections is 300, and the system allows this program 200 open files");
}
