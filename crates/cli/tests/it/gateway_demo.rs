//! `sockeye gateway --demo` prints commands to try it with, and they work.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, Read};
use std::process::{Command, Stdio};

use crate::browser;
use crate::program::{self, Server};

/// Returns the lines of the standard output up to the last command.
fn hints(server: &mut Server) -> Vec<String> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        assert_ne!(server.out.read_line(&mut line).unwrap(), 0, "{lines:?}");
        let is_last = line.contains("/GetBook");
        lines.push(line.trim_end().to_owned());
        if is_last {
            return lines;
        }
    }
}

#[test]
fn the_commands_that_it_prints_work() {
    let mut server = Server::start_gateway(&["--demo"]);
    let lines = hints(&mut server);
    assert_eq!(lines[0], format!("The console is at {}console/", server.url));
    let commands: Vec<_> = lines.iter().filter(|line| line.starts_with("  curl")).collect();
    assert_eq!(commands.len(), 10);
    if Command::new("curl").arg("--version").output().is_err() {
        return browser::missing("curl", "Debian has it");
    }
    server.wait_for_status("/readyz", 200);
    for command in commands {
        let mut curl = Command::new("sh");
        let mut curl = curl.args(["-c", &format!("exec {}", command.trim())]);
        curl = curl.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut curl = curl.spawn().unwrap();
        let mut out = curl.stdout.take().unwrap();
        let mut answer = String::new();
        if command.contains(" -N ") {
            // A stream, which has no end.
            while !answer.contains("engines-at-rest") {
                let mut byte = [0];
                out.read_exact(&mut byte).unwrap();
                answer.push(char::from(byte[0]));
            }
            curl.kill().unwrap();
        } else {
            out.read_to_string(&mut answer).unwrap();
            let values =
                serde_json::Deserializer::from_str(&answer).into_iter::<serde_json::Value>();
            assert!(values.map(Result::unwrap).count() > 0, "{command}");
        }
        curl.wait().unwrap();
        let expected = match command {
            command if command.contains("author=lind") => "\"the-northern-river\"",
            command if command.contains("PATCH") => "\"NOVEL\"",
            command if command.contains("Low Tide") => "\"low-tide\"",
            command if command.contains("/none") => "sockeye.library.v1.UnknownBook",
            command if command.contains(":watch") => "\"present\"",
            command if command.contains(":import") => "\"added\":1",
            _ => "\"Maps of Fog\"",
        };
        assert!(answer.contains(expected), "{command}\n{answer}");
    }
}

#[test]
fn its_methods_are_described_with_their_comments() {
    let server = Server::start_gateway(&["--demo"]);
    server.wait_for_status("/readyz", 200);
    let method = "sockeye.library.v1.Library/GetBook";
    let described = program::run(&["call", &server.address, "describe", method]);
    let described = String::from_utf8(described.stdout).unwrap();
    assert!(described.starts_with("// Returns a book. "), "{described}");
    assert!(described.contains("\n  // title.\n"), "{described}");
}

#[test]
fn its_console_is_off_when_asked() {
    let server = Server::start_gateway(&["--demo", "--console=false"]);
    server.wait_for_status("/readyz", 200);
    for path in ["/console/", "/openapi.json"] {
        assert!(server.get(path).starts_with("HTTP/1.1 404 "), "{path}");
    }
    let server = Server::start_gateway(&["--demo"]);
    server.wait_for_status("/readyz", 200);
    for path in ["/console/", "/openapi.json"] {
        assert!(server.get(path).starts_with("HTTP/1.1 200 "), "{path}");
    }
}
