//! The real program, started on a free port and killed at the end of the test.

#![allow(dead_code, reason = "each test file uses its own part of this module")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod any_issuer;
#[cfg(feature = "acme")]
pub(crate) mod authority;
pub(crate) mod broker;
#[cfg(feature = "otlp")]
pub(crate) mod collector;
pub(crate) mod connect;
pub(crate) mod exec;
pub(crate) mod grpc;
pub(crate) mod hub;
#[cfg(target_os = "linux")]
pub(crate) mod names;
#[cfg(target_os = "linux")]
pub(crate) mod namespace;
#[cfg(target_os = "linux")]
pub(crate) mod terminal;
pub(crate) mod token;
pub(crate) mod tunnel;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

/// Returns the command `sockeye` with these arguments, not yet started.
pub(crate) fn sockeye(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sockeye"));
    command.args(arguments).env_remove("RUST_LOG").env_remove("SOCKEYE_BUS");
    command
}

/// Runs `sockeye` with these arguments, and returns its output.
pub(crate) fn run(arguments: &[&str]) -> Output {
    sockeye(arguments).output().expect("sockeye can be started")
}

/// Returns the standard error of a run that fails.
pub(crate) fn error_output(arguments: &[&str]) -> String {
    let output = run(arguments);
    assert!(!output.status.success(), "sockeye {arguments:?} was expected to fail");
    assert!(output.stdout.is_empty(), "an error is printed on standard error");
    String::from_utf8(output.stderr).unwrap()
}

/// Writes a file for a test, and returns its path.
pub(crate) fn file(name: &str, text: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::write(&path, text).unwrap();
    path
}

/// Writes a new certificate for localhost and its key.
pub(crate) fn write_certificate(cert: &Path, key: &Path) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    std::fs::write(cert, made.cert.pem()).unwrap();
    std::fs::write(key, made.signing_key.serialize_pem()).unwrap();
}

/// Polls until a log has this number of lines of JSON, for up to a minute, and returns them.
pub(crate) fn log_lines(file: &Path, count: usize) -> Vec<serde_json::Value> {
    let begun = Instant::now();
    loop {
        let text = std::fs::read_to_string(file).unwrap_or_default();
        let found = text.lines().count();
        if found >= count && text.ends_with('\n') {
            return text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "{found} of {count} lines");
        std::thread::yield_now();
    }
}

/// A running `sockeye serve` or `sockeye gateway`, killed when dropped.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The standard output after the address.
    pub(crate) out: BufReader<ChildStdout>,
    pub(crate) log: BufReader<ChildStderr>,
    /// The printed URL, such as `http://127.0.0.1:40123/`.
    pub(crate) url: String,
    /// Host and port of the URL, or the path of the socket.
    pub(crate) address: String,
}

impl Server {
    /// Starts the server on a free port of 127.0.0.1 with further arguments, and waits for the
    /// address.
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_on("127.0.0.1:0", arguments)
    }

    /// Starts the server on an address with further arguments, and waits for the address.
    pub(crate) fn start_on(listen: &str, arguments: &[&str]) -> Self {
        let mut command = sockeye(&["serve", "--listen", listen]);
        command.args(arguments);
        Self::start_command(command)
    }

    /// Starts `sockeye gateway` on a free port of 127.0.0.1 with further arguments, and waits for
    /// the address.
    pub(crate) fn start_gateway(arguments: &[&str]) -> Self {
        let mut command = sockeye(&["gateway", "--listen", "127.0.0.1:0"]);
        command.args(arguments);
        Self::start_command(command)
    }

    /// Starts a server by its whole command, and waits for the address.
    pub(crate) fn start_command(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::start_with_input(command)
    }

    /// Starts a server by its whole command, which has its standard input, and waits for the
    /// address.
    pub(crate) fn start_with_input(mut command: Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("sockeye can be started");
        let mut line = String::new();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        out.read_line(&mut line).unwrap();
        let url = line.trim_end().rsplit(' ').next().unwrap().to_owned();
        let address = url.split("://").nth(1).map(|rest| rest.trim_end_matches('/'));
        let address = address.or_else(|| url.strip_prefix("unix:"));
        let address = address.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        let log = BufReader::new(child.stderr.take().unwrap());
        Self { child, out, log, url, address }
    }

    /// Opens a connection to the server.
    pub(crate) fn dial(&self) -> TcpStream {
        TcpStream::connect(&self.address).expect("the server accepts")
    }

    /// Returns a connection on which a GET of `path` was sent, with `connection: close`.
    pub(crate) fn send_get(&self, path: &str) -> TcpStream {
        let mut stream = self.dial();
        let host = &self.address;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n\r\n").unwrap();
        stream
    }

    /// Returns the whole response to a GET of `path`.
    pub(crate) fn get(&self, path: &str) -> String {
        let mut answer = String::new();
        self.send_get(path).read_to_string(&mut answer).unwrap();
        answer
    }

    /// Returns the whole response to a GET of `path` with further headers, each with its line end.
    pub(crate) fn get_with(&self, path: &str, headers: &str) -> String {
        let mut stream = self.dial();
        let host = &self.address;
        let head = format!("GET {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
        write!(stream, "{head}{headers}\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Returns the whole response to a POST of `body` with further headers, each with its line end.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &str) -> String {
        let mut stream = self.dial();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncontent-length: {}\r\n\
             {headers}\r\n{body}",
            self.address,
            body.len()
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Returns the whole response to a POST of JSON.
    pub(crate) fn post_json(&self, path: &str, body: &str) -> String {
        self.post(path, "content-type: application/json\r\n", body)
    }

    /// Polls until a GET of `path` is answered with this status.
    pub(crate) fn wait_for_status(&self, path: &str, status: u16) -> String {
        loop {
            let answer = self.get(path);
            if answer.starts_with(&format!("HTTP/1.1 {status} ")) {
                return answer;
            }
            std::thread::yield_now();
        }
    }

    /// Returns the number of the process.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal, named without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap();
        assert!(status.success());
    }

    /// Returns the next line of the log that contains a phrase.
    pub(crate) fn wait_for_line(&mut self, phrase: &str) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.log.read_line(&mut line).unwrap(), 0, "the log has no {phrase:?}");
            if line.contains(phrase) {
                return line;
            }
        }
    }

    /// Waits for a line of the log that contains `phrase`.
    pub(crate) fn wait_for(&mut self, phrase: &str) {
        self.wait_for_any(&[phrase]);
    }

    /// Waits for a line of the log that contains one of `phrases`, and returns that phrase.
    pub(crate) fn wait_for_any<'a>(&mut self, phrases: &[&'a str]) -> &'a str {
        loop {
            let mut line = String::new();
            let length = self.log.read_line(&mut line).unwrap();
            assert_ne!(length, 0, "the log has none of {phrases:?}");
            if let Some(phrase) = phrases.iter().find(|phrase| line.contains(**phrase)) {
                return phrase;
            }
        }
    }

    /// Waits for the end of the process.
    pub(crate) fn wait(mut self) -> ExitStatus {
        self.child.wait().unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Upgrades a connection to a WebSocket at `/echo`, without the library.
pub(crate) fn upgrade(stream: &mut TcpStream, address: &str) {
    upgrade_at(stream, address, "/echo");
}

/// Upgrades a connection to a WebSocket at a path, without the library.
pub(crate) fn upgrade_at(stream: &mut TcpStream, address: &str, path: &str) {
    write!(
        stream,
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
    .unwrap();
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("an answer to the upgrade");
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    assert!(head.starts_with("HTTP/1.1 101 "), "{head}");
}
