//! Runs `sockeye connect`, and peers that follow a script.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use sockeye::handshake::Key;

use super::sockeye;

/// Returns the command `sockeye connect` with these arguments, not yet started. It uses no proxy of
/// the environment.
pub(crate) fn connect(arguments: &[&str]) -> Command {
    let mut command = sockeye(&["connect"]);
    command.args(arguments);
    for variable in ["http_proxy", "https_proxy", "all_proxy", "HTTPS_PROXY", "ALL_PROXY"] {
        command.env_remove(variable);
    }
    command
}

/// Runs `sockeye connect` with this standard input, which ends after the last byte.
pub(crate) fn run_with(input: &[u8], arguments: &[&str]) -> Output {
    let mut child = connect(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("sockeye can be started");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    // A program that ends early does not read all of its input.
    let writer = std::thread::spawn(move || stdin.write_all(&input));
    let output = child.wait_with_output().unwrap();
    let _ = writer.join().unwrap();
    output
}

/// Asserts the exit code of a run, and returns its standard output and standard error.
#[track_caller]
pub(crate) fn ended_with(code: i32, output: &Output) -> (String, String) {
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(code), "stdout: {stdout}\nstderr: {stderr}");
    (stdout, stderr)
}

/// Starts a server that accepts one connection, answers its request by `answer`, which receives the
/// head, and then runs the script. Returns the URL.
pub(crate) fn server(
    answer: impl FnOnce(&str) -> String + Send + 'static,
    script: impl FnOnce(&mut Wire) + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let head = read_head(&mut stream);
        stream.write_all(answer(&head).as_bytes()).unwrap();
        script(&mut Wire(stream));
    });
    format!("ws://{address}/")
}

/// Starts a server whose WebSocket runs the script.
pub(crate) fn websocket(script: impl FnOnce(&mut Wire) + Send + 'static) -> String {
    server(switching, script)
}

/// Returns the response that accepts the WebSocket of a request.
pub(crate) fn switching(head: &str) -> String {
    let key = header(head, "sec-websocket-key").and_then(Key::parse).expect("a key");
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
         sec-websocket-accept: {}\r\n\r\n",
        key.accept().as_str()
    )
}

/// Returns the value of a header of a request.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut headers = head.lines().filter_map(|line| line.split_once(':'));
    headers.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
}

/// Reads the head of a request.
pub(crate) fn read_head(stream: &mut impl Read) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).expect("a request");
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// The frames of a server.
pub(crate) struct Wire(pub(crate) TcpStream);

/// A frame of the client: its first byte, and its payload.
pub(crate) type Frame = (u8, Vec<u8>);

impl Wire {
    /// Sends a text message.
    pub(crate) fn text(&mut self, text: &str) {
        self.frame(0x81, text.as_bytes());
    }

    /// Sends a close frame.
    pub(crate) fn close(&mut self, code: u16) {
        self.frame(0x88, &code.to_be_bytes());
    }

    /// Sends a frame of at most 125 bytes.
    pub(crate) fn frame(&mut self, first: u8, payload: &[u8]) {
        let mut frame = vec![first, u8::try_from(payload.len()).unwrap()];
        frame.extend(payload);
        self.0.write_all(&frame).unwrap();
    }

    /// Receives a frame of at most 125 bytes; `None` at the end of the stream.
    pub(crate) fn recv(&mut self) -> Option<Frame> {
        let mut head = [0; 2];
        self.0.read_exact(&mut head).ok()?;
        let mut mask = [0; 4];
        self.0.read_exact(&mut mask).unwrap();
        let mut payload = vec![0; usize::from(head[1] & 0x7f)];
        self.0.read_exact(&mut payload).unwrap();
        for (at, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[at % 4];
        }
        Some((head[0], payload))
    }

    /// Answers the client's close frame, and returns its code. Earlier frames are skipped.
    pub(crate) fn answer_close(&mut self) -> u16 {
        loop {
            let (first, payload) = self.recv().expect("a close frame");
            if first == 0x88 {
                self.frame(0x88, &payload);
                return u16::from_be_bytes([payload[0], payload[1]]);
            }
        }
    }
}
