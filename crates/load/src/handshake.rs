//! The client side of the opening handshake, blocking and with a constant key.

use std::io::{self, Read, Write};

use crate::deflate::DeflateMode;
use crate::error::LoadError;

/// The key of RFC 6455 section 1.3, and the `Sec-WebSocket-Accept` value that it requires.
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// Maximum size of the answer's head, in bytes; every echo server's answer is shorter.
const MAX_ANSWER_SIZE: usize = 4096;

/// Upgrades `stream`, and returns the bytes that arrived together with the server's answer.
/// `headers` are further headers, each with its line end. The request offers permessage-deflate as
/// `deflate` says, and the server has to agree to exactly that.
///
/// # Errors
///
/// A variant of [`LoadError`] for each way in which the server's answer can be unusable.
pub(crate) fn upgrade_with_early_data(
    stream: &mut (impl Read + Write),
    host: &str,
    path: &str,
    headers: &str,
    deflate: Option<DeflateMode>,
) -> Result<Vec<u8>, LoadError> {
    let offer = deflate.map_or_else(String::new, |deflate| {
        format!("Sec-WebSocket-Extensions: {}\r\n", deflate.offer())
    });
    // One write: uWebSockets refuses a request whose first line does not arrive whole.
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: {KEY}\r\nSec-WebSocket-Version: 13\r\n{offer}{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).map_err(LoadError::handshake)?;
    let mut head = Vec::new();
    let mut buffer = [0; 512];
    let end = loop {
        match stream.read(&mut buffer).map_err(LoadError::handshake)? {
            0 => return Err(LoadError::HandshakeIo(io::ErrorKind::UnexpectedEof.into())),
            size => head.extend_from_slice(&buffer[..size]),
        }
        if let Some(blank) = head.windows(4).position(|four| four == b"\r\n\r\n") {
            break blank + 4;
        }
        if head.len() > MAX_ANSWER_SIZE {
            return Err(LoadError::HandshakeTooLong);
        }
    };
    check_answer(&String::from_utf8_lossy(&head[..end]), deflate)?;
    Ok(head.split_off(end))
}

fn check_answer(head: &str, deflate: Option<DeflateMode>) -> Result<(), LoadError> {
    let mut lines = head.lines();
    let status = lines.next().and_then(parse_status);
    if status != Some(101) {
        return Err(LoadError::HandshakeRefused { status });
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
        return Err(LoadError::WrongAccept);
    }
    check_extensions(answer, deflate)
}

fn parse_status(line: &str) -> Option<u16> {
    line.strip_prefix("HTTP/1.1 ")?.split(' ').next()?.parse().ok()
}

/// Checks that the value `answer` of `Sec-WebSocket-Extensions` agrees to the offer and contains
/// nothing that changes the load. The server's window may be smaller, as the client inflates with
/// the largest.
pub(crate) fn check_extensions(
    answer: &str,
    deflate: Option<DeflateMode>,
) -> Result<(), LoadError> {
    let mut parts = answer.split(';').map(str::trim);
    let extension = parts.next().unwrap_or_default();
    let parameters: Vec<_> =
        parts.filter(|part| !part.starts_with("server_max_window_bits=")).collect();
    let is_agreed = match deflate {
        None => answer.is_empty(),
        Some(DeflateMode::Takeover) => extension == "permessage-deflate" && parameters.is_empty(),
        // The server need not answer the client's promise about its own messages (RFC 7692 section
        // 7.1.1.2).
        Some(DeflateMode::NoTakeover) => {
            extension == "permessage-deflate"
                && parameters.contains(&"server_no_context_takeover")
                && parameters.iter().all(|parameter| parameter.ends_with("_no_context_takeover"))
        }
    };
    if is_agreed { Ok(()) } else { Err(LoadError::WrongExtension { answer: answer.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOTH: &str = "permessage-deflate; client_no_context_takeover; server_no_context_takeover";

    /// A stream that answers everything with the same bytes, a few at a time.
    struct Answer<'a>(&'a [u8]);

    impl Read for Answer<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let size = buffer.len().min(7);
            self.0.read(&mut buffer[..size])
        }
    }

    impl Write for Answer<'_> {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn upgrade_with(answer: &str) -> Result<Vec<u8>, LoadError> {
        upgrade_with_early_data(&mut Answer(answer.as_bytes()), "localhost", "/", "", None)
    }

    #[test]
    fn extensions_beyond_the_offer_are_refused() {
        for (answer, deflate, agreed) in [
            ("", None, true),
            ("permessage-deflate", None, false),
            ("", Some(DeflateMode::Takeover), false),
            ("permessage-deflate", Some(DeflateMode::Takeover), true),
            ("permessage-deflate; server_max_window_bits=12", Some(DeflateMode::Takeover), true),
            (BOTH, Some(DeflateMode::Takeover), false),
            (BOTH, Some(DeflateMode::NoTakeover), true),
            ("permessage-deflate;server_no_context_takeover", Some(DeflateMode::NoTakeover), true),
            (
                "permessage-deflate; client_no_context_takeover",
                Some(DeflateMode::NoTakeover),
                false,
            ),
            ("permessage-deflate", Some(DeflateMode::NoTakeover), false),
        ] {
            let result = check_extensions(answer, deflate);
            assert_eq!(result.is_ok(), agreed, "{answer:?} to {deflate:?}");
        }
    }

    #[test]
    fn an_answer_without_101_or_with_a_wrong_accept_is_refused() {
        let refused = upgrade_with("HTTP/1.1 404 Not Found\r\n\r\n");
        assert!(matches!(refused, Err(LoadError::HandshakeRefused { status: Some(404) })));
        let foreign = upgrade_with("SSH-2.0\r\n\r\n");
        assert!(matches!(foreign, Err(LoadError::HandshakeRefused { status: None })));
        let wrong = upgrade_with("HTTP/1.1 101 Fine\r\nSec-WebSocket-Accept: x\r\n\r\n");
        assert!(matches!(wrong, Err(LoadError::WrongAccept)));
        let right = format!("HTTP/1.1 101 Fine\r\nsec-websocket-accept:  {ACCEPT}\r\n\r\n");
        assert!(upgrade_with(&right).unwrap().is_empty());
    }

    #[test]
    fn an_answer_that_ends_early_or_not_at_all_is_refused() {
        let unfinished = upgrade_with("HTTP/1.1 101 Fine\r\n");
        assert!(matches!(unfinished, Err(LoadError::HandshakeIo(_))));
        let endless = upgrade_with(&"x".repeat(2 * MAX_ANSWER_SIZE));
        assert!(matches!(endless, Err(LoadError::HandshakeTooLong)));
    }

    #[test]
    fn data_right_after_the_answer_is_not_lost() {
        // The reads are of seven bytes, so the last one has the end of the answer and the data.
        for padding in 0..7 {
            let padding = " ".repeat(padding);
            let early = format!(
                "HTTP/1.1 101 Fine\r\nSec-WebSocket-Accept:{padding} {ACCEPT}\r\n\r\n\u{1}"
            );
            let data = upgrade_with(&early).unwrap();
            assert!(data.is_empty() || data == [1], "{data:?}");
            assert_eq!(data.is_empty(), (early.len() - 1) % 7 == 0);
        }
    }
}
