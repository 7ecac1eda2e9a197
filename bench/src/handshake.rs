//! The driver's half of the opening handshake, blocking and with a constant key.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};

/// The key of RFC 6455 section 1.3, and the answer it demands.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// No answer of an echo server is longer.
const ANSWER_LIMIT: usize = 4096;

/// Why a server did not become a WebSocket.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The transport failed or ended.
    Io(io::Error),
    /// The head of the answer is longer than any echo server's.
    TooLong,
    /// The status line is not 101.
    Refused,
    /// `Sec-WebSocket-Accept` is missing or wrong.
    WrongAccept,
    /// An extension was agreed that nobody asked for.
    UnaskedExtension,
}

/// Upgrades `stream`, leaving nothing of the answer unread and nothing after it read.
///
/// # Errors
///
/// A [`HandshakeError`] for each way the server's answer can be unusable.
pub fn upgrade(
    stream: &mut (impl Read + Write),
    host: &str,
    path: &str,
) -> Result<(), HandshakeError> {
    // In one piece: uWebSockets refuses a request whose first line does not arrive whole.
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
        if head.len() > ANSWER_LIMIT {
            return Err(HandshakeError::TooLong);
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut lines = head.lines();
    if !lines.next().is_some_and(|status| status.starts_with("HTTP/1.1 101")) {
        return Err(HandshakeError::Refused);
    }
    let mut accepted = false;
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("Sec-WebSocket-Accept") {
            accepted = value.trim() == ACCEPT;
        }
        if name.eq_ignore_ascii_case("Sec-WebSocket-Extensions") {
            return Err(HandshakeError::UnaskedExtension);
        }
    }
    if accepted { Ok(()) } else { Err(HandshakeError::WrongAccept) }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io(_) => "the transport failed during the opening handshake",
            Self::TooLong => "the answer to the opening handshake does not end",
            Self::Refused => "the server did not answer 101",
            Self::WrongAccept => "Sec-WebSocket-Accept is missing or wrong",
            Self::UnaskedExtension => "the server agreed to an extension that was not offered",
        })
    }
}

impl Error for HandshakeError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            _ => None,
        }
    }
}
