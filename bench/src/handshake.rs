//! The client side of the opening handshake in the driver, blocking and with a constant key.

use std::error::Error;
use std::fmt;
use std::io::{self, Read, Write};

use crate::mode::Deflate;

/// The key of RFC 6455 section 1.3, and the `Sec-WebSocket-Accept` value that it requires.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Maximum size of the answer's head, in bytes; every echo server's answer is shorter.
const ANSWER_LIMIT: usize = 4096;

/// The reason why the opening handshake failed.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The transport failed or ended.
    Io(io::Error),
    /// The head of the answer exceeds `ANSWER_LIMIT`.
    TooLong,
    /// The status is not 101, or over HTTP/2 not 200.
    Refused,
    /// `Sec-WebSocket-Accept` is missing or wrong.
    WrongAccept,
    /// The server agreed to an extension that the driver did not offer, or not to the one that it
    /// offered.
    WrongExtension {
        /// The server's `Sec-WebSocket-Extensions`; empty without one.
        answer: String,
    },
}

/// Upgrades `stream`. The server must not send anything after the answer, as an echo server sends
/// nothing before it receives a message. The request offers permessage-deflate as [`Deflate`] says,
/// and the server has to agree to exactly that.
///
/// # Errors
///
/// A [`HandshakeError`] for each way in which the server's answer can be unusable.
pub fn upgrade(
    stream: &mut (impl Read + Write),
    host: &str,
    path: &str,
    deflate: Option<Deflate>,
) -> Result<(), HandshakeError> {
    let offer = deflate.map_or_else(String::new, |deflate| {
        format!("Sec-WebSocket-Extensions: {}\r\n", deflate.agreement())
    });
    // One write: uWebSockets refuses a request whose first line does not arrive whole.
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer}\r\n"
    );
    stream.write_all(request.as_bytes())?;
    let mut head = Vec::new();
    let mut buffer = [0; 512];
    while !head.windows(4).any(|four| four == b"\r\n\r\n") {
        match stream.read(&mut buffer)? {
            0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            size => head.extend_from_slice(&buffer[..size]),
        }
        if head.len() > ANSWER_LIMIT {
            return Err(HandshakeError::TooLong);
        }
    }
    check(&String::from_utf8_lossy(&head), deflate)
}

fn check(head: &str, deflate: Option<Deflate>) -> Result<(), HandshakeError> {
    let mut lines = head.lines();
    if !lines.next().is_some_and(|status| status.starts_with("HTTP/1.1 101")) {
        return Err(HandshakeError::Refused);
    }
    let mut accepted = false;
    let mut answer = "";
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        if name.eq_ignore_ascii_case("Sec-WebSocket-Accept") {
            accepted = value.trim() == ACCEPT;
        }
        if name.eq_ignore_ascii_case("Sec-WebSocket-Extensions") {
            answer = value.trim();
        }
    }
    if !accepted {
        return Err(HandshakeError::WrongAccept);
    }
    if !is_agreed(answer, deflate) {
        return Err(HandshakeError::WrongExtension { answer: answer.to_owned() });
    }
    Ok(())
}

/// Returns whether `answer` agrees to the offer and contains nothing that changes the load. The
/// server's window may be smaller, as the driver inflates with the largest.
pub(crate) fn is_agreed(answer: &str, deflate: Option<Deflate>) -> bool {
    let mut parts = answer.split(';').map(str::trim);
    let extension = parts.next().unwrap_or_default();
    let parameters: Vec<_> =
        parts.filter(|part| !part.starts_with("server_max_window_bits=")).collect();
    match deflate {
        None => answer.is_empty(),
        Some(Deflate::Takeover) => extension == "permessage-deflate" && parameters.is_empty(),
        // The server need not answer the client's promise about its own messages (RFC 7692 section
        // 7.1.1.2).
        Some(Deflate::NoTakeover) => {
            extension == "permessage-deflate"
                && parameters.contains(&"server_no_context_takeover")
                && parameters.iter().all(|parameter| parameter.ends_with("_no_context_takeover"))
        }
    }
}

impl From<io::Error> for HandshakeError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("the transport failed during the opening handshake"),
            Self::TooLong => f.write_str("the answer to the opening handshake does not end"),
            Self::Refused => f.write_str("the server did not agree to a WebSocket"),
            Self::WrongAccept => f.write_str("Sec-WebSocket-Accept is missing or wrong"),
            Self::WrongExtension { answer } => {
                write!(f, "the server agreed to {answer:?}, which is not what was offered")
            }
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";

    #[test]
    fn only_what_was_offered_is_agreed() {
        for (answer, deflate, agreed) in [
            ("", None, true),
            ("permessage-deflate", None, false),
            ("", Some(Deflate::Takeover), false),
            ("permessage-deflate", Some(Deflate::Takeover), true),
            ("permessage-deflate; server_max_window_bits=12", Some(Deflate::Takeover), true),
            (BOTH, Some(Deflate::Takeover), false),
            (BOTH, Some(Deflate::NoTakeover), true),
            ("permessage-deflate;server_no_context_takeover", Some(Deflate::NoTakeover), true),
            ("permessage-deflate; client_no_context_takeover", Some(Deflate::NoTakeover), false),
            ("permessage-deflate", Some(Deflate::NoTakeover), false),
        ] {
            assert_eq!(is_agreed(answer, deflate), agreed, "{answer:?} to {deflate:?}");
        }
    }

    #[test]
    fn an_answer_without_101_or_with_a_wrong_accept_is_refused() {
        let refused = check("HTTP/1.1 404 Not Found\r\n\r\n", None);
        assert!(matches!(refused, Err(HandshakeError::Refused)));
        let wrong = check("HTTP/1.1 101 Fine\r\nSec-WebSocket-Accept: x\r\n\r\n", None);
        assert!(matches!(wrong, Err(HandshakeError::WrongAccept)));
        let right = format!("HTTP/1.1 101 Fine\r\nsec-websocket-accept:  {ACCEPT}\r\n\r\n");
        assert!(check(&right, None).is_ok());
    }
}
