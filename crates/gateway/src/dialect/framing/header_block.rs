use std::error::Error;
use std::fmt;

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The maximum number of headers in a block. Chosen: ten times the default limit of hyper for
/// HTTP/1.1.
const MAX_HEADERS: usize = 1024;

/// The reason why bytes are not a block of headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeaderBlockError {
    /// A line has no colon.
    NoColon {
        /// The line, from 1.
        line: usize,
    },
    /// A name or value has characters that headers do not have.
    Invalid {
        /// The line, from 1.
        line: usize,
    },
    /// There are more than 1024 headers.
    TooMany,
}

/// Encodes headers in the form of HTTP/1.1: `name: value`, each with CR and LF.
pub fn encode_header_block(headers: &HeaderMap) -> Bytes {
    let lengths = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4);
    let mut out = BytesMut::with_capacity(lengths.sum());
    for (name, value) in headers {
        out.put_slice(name.as_str().as_bytes());
        out.put_slice(b": ");
        out.put_slice(value.as_bytes());
        out.put_slice(b"\r\n");
    }
    out.freeze()
}

/// Decodes headers in the form of HTTP/1.1, with names in any case. Lines may end with LF only,
/// and empty lines are ignored.
///
/// # Errors
/// [`HeaderBlockError`], with the line.
pub fn decode_header_block(block: &[u8]) -> Result<HeaderMap, HeaderBlockError> {
    let mut headers = HeaderMap::new();
    for (index, text) in block.split(|byte| *byte == b'\n').enumerate() {
        let line = index + 1;
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        if text.is_empty() {
            continue;
        }
        let colon = text.iter().position(|byte| *byte == b':');
        let (name, value) = text.split_at(colon.ok_or(HeaderBlockError::NoColon { line })?);
        let name = HeaderName::from_bytes(name);
        let value = HeaderValue::from_bytes(value[1..].trim_ascii());
        let (Ok(name), Ok(value)) = (name, value) else {
            return Err(HeaderBlockError::Invalid { line });
        };
        if headers.len() == MAX_HEADERS {
            return Err(HeaderBlockError::TooMany);
        }
        headers.append(name, value);
    }
    Ok(headers)
}

impl fmt::Display for HeaderBlockError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoColon { line } => write!(f, "header line {line} has no colon"),
            Self::Invalid { line } => write!(f, "header line {line} has an invalid name or value"),
            Self::TooMany => write!(f, "there are more than {MAX_HEADERS} headers"),
        }
    }
}

impl Error for HeaderBlockError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn headers_are_lines_with_names_in_any_case() {
        let block = b"Grpc-Status:5\r\n\r\na: 1 \nA:\t2\r\nb:\r\nc: x:y";
        let headers = decode_header_block(block).unwrap();
        assert_eq!(headers["grpc-status"], "5");
        assert_eq!(headers.get_all("a").iter().collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(headers["b"], "");
        assert_eq!(headers["c"], "x:y");
    }

    #[test]
    fn faults_name_their_line() {
        let error = |block: &[u8]| decode_header_block(block).unwrap_err();
        assert_eq!(error(b"a: 1\r\nb\r\n"), HeaderBlockError::NoColon { line: 2 });
        assert_eq!(error(b"a b: 1"), HeaderBlockError::Invalid { line: 1 });
        assert_eq!(error(b": 1"), HeaderBlockError::Invalid { line: 1 });
        assert_eq!(error(b"\na: \x01"), HeaderBlockError::Invalid { line: 2 });
        assert_eq!(error(&b"a: 1\n".repeat(1025)), HeaderBlockError::TooMany);
    }

    proptest! {
        #[test]
        fn headers_survive(pairs in proptest::collection::vec(("[a-z]{1,3}", "[!-~]{0,4}"), 0..6)) {
            let headers: HeaderMap = pairs
                .iter()
                .map(|(name, value)| (name.parse::<HeaderName>().unwrap(), value.parse().unwrap()))
                .collect();
            prop_assert_eq!(decode_header_block(&encode_header_block(&headers)).unwrap(), headers);
        }

        #[test]
        fn no_block_panics(block in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = decode_header_block(&block);
        }
    }
}
