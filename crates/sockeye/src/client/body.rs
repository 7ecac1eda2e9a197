//! The beginning of the content of a response that does not upgrade, kept for the error value.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::StatusCode;
use sockeye_proto::handshake::ResponseHead;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::time::timeout;

/// Maximum length of the content that is kept, in bytes.
pub(super) const MAX_LENGTH: usize = 1024;

/// Timeout for reading the content. The status is already known; a server that keeps the connection
/// open without declaring the content's length must not delay the error further.
const BODY_TIMEOUT: Duration = Duration::from_secs(1);

/// The framing of a response's content, which decides where the content ends (RFC 9112 section
/// 6.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    Length(usize),
    Chunked,
    UntilEnd,
}

impl Framing {
    pub(super) fn of(head: &ResponseHead<'_>) -> Self {
        if matches!(head.status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED) {
            return Self::Length(0);
        }
        let mut framing = Self::UntilEnd;
        for (name, value) in head.headers() {
            if name.eq_ignore_ascii_case("Transfer-Encoding") {
                return Self::Chunked;
            }
            if name.eq_ignore_ascii_case("Content-Length") {
                let digits = std::str::from_utf8(value).ok();
                framing =
                    digits.and_then(|digits| digits.parse().ok()).map_or(framing, Self::Length);
            }
        }
        framing
    }

    /// Returns the content within the bytes received so far, and whether no more input is needed.
    fn read(self, received: &[u8]) -> (Bytes, bool) {
        let (body, complete) = match self {
            Self::Length(length) => {
                (received[..length.min(received.len())].to_vec(), received.len() >= length)
            }
            Self::Chunked => unchunk(received),
            Self::UntilEnd => (received.to_vec(), false),
        };
        let mut body = Bytes::from(body);
        let enough = complete || body.len() >= MAX_LENGTH;
        body.truncate(MAX_LENGTH);
        (body, enough)
    }
}

/// Reads the beginning of the content; `received` holds the bytes that followed the head. Never
/// fails: after an error or a timeout, returns the content received until then.
pub(super) async fn read<S: AsyncRead + Unpin>(
    stream: &mut S,
    mut received: BytesMut,
    framing: Framing,
) -> Bytes {
    let all = async {
        // Each chunk may carry one byte and any amount of framing, so received bytes are limited.
        while !framing.read(&received).1 && received.len() < 8 * MAX_LENGTH {
            received.reserve(MAX_LENGTH);
            if !matches!(stream.read_buf(&mut received).await, Ok(1..)) {
                break;
            }
        }
    };
    // After a timeout, the error still shows the bytes received before it.
    let _ = timeout(BODY_TIMEOUT, all).await;
    framing.read(&received).0
}

/// Returns the content of the chunks received so far (RFC 9112 section 7.1), and whether it ends
/// there: with the last chunk, or at an invalid chunk size.
fn unchunk(mut received: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    loop {
        let Some(line) = received.iter().position(|&byte| byte == b'\n') else {
            return (body, false);
        };
        let digits = received[..line].split(|byte| !byte.is_ascii_hexdigit()).next();
        let size = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| usize::from_str_radix(digits, 16).ok());
        received = &received[line + 1..];
        match size {
            Some(0) | None => return (body, true),
            Some(size) => {
                let (chunk, rest) = received.split_at(size.min(received.len()));
                body.extend_from_slice(chunk);
                received = rest.strip_prefix(b"\r\n").unwrap_or(rest);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_joined_as_far_as_they_are_there() {
        let whole = b"4\r\nWiki\r\n5;x=y\r\npedia\r\n0\r\n\r\n";
        assert_eq!(unchunk(whole), (b"Wikipedia".to_vec(), true));
        for split in 0..whole.len() {
            let (body, _) = unchunk(&whole[..split]);
            assert!(b"Wikipedia".starts_with(&body), "{split}");
        }
        assert_eq!(unchunk(b"xyz\r\n"), (Vec::new(), true));
        assert_eq!(unchunk(b"ffffffffffffffff\r\nab"), (b"ab".to_vec(), false));
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_is_read_than_is_wanted() {
        let long = vec![b'x'; 5000];
        let mut stream = &long[..];
        let body = read(&mut stream, BytesMut::new(), Framing::UntilEnd).await;
        assert_eq!(body.len(), MAX_LENGTH);
        let (mut stream, _open) = tokio::io::duplex(10);
        let body = read(&mut stream, BytesMut::from("partly"), Framing::Length(3)).await;
        assert_eq!(body, "par");
        let body = read(&mut stream, BytesMut::from("partly"), Framing::UntilEnd).await;
        assert_eq!(body, "partly");
    }
}
