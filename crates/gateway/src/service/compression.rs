//! Compression of the bodies of JSON over HTTP and of Connect, and of the messages of Connect's
//! streams.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::{GzDecoder, GzEncoder};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, VARY};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::call::too_long;
use super::settings::Settings;
use crate::status::{Code, Status};

/// Minimum length of bytes that are compressed. Shorter ones fit a packet anyway.
const MIN_COMPRESSED: usize = 1024;

/// The compression of the messages that a client of Connect reads from a stream.
const STREAM_ACCEPT: HeaderName = HeaderName::from_static("connect-accept-encoding");

/// The compression of messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Compression {
    #[default]
    Identity,
    Gzip,
}

impl Compression {
    /// Returns the compression with this name, as a header or a parameter has it.
    ///
    /// # Errors
    /// `unimplemented`, with the names that are supported.
    pub(super) fn named(name: Option<&[u8]>) -> Result<Self, Status> {
        match name {
            None | Some(b"" | b"identity") => Ok(Self::Identity),
            Some(b"gzip") => Ok(Self::Gzip),
            Some(_) => {
                let message = "the compression is unknown; the supported ones are: gzip, identity";
                Err(Status::new(Code::Unimplemented, message))
            }
        }
    }

    /// Returns the message in compressed bytes. No bytes are no message, whatever the compression.
    ///
    /// # Errors
    /// `resource_exhausted` if the message is longer than the limit, without reading more of it,
    /// and `invalid_argument` if the bytes are not so compressed.
    pub(super) fn decompress(self, bytes: Bytes, max_length: u32) -> Result<Bytes, Status> {
        if self == Self::Identity || bytes.is_empty() {
            return Ok(bytes);
        }
        let mut message = Vec::new();
        let mut limited = GzDecoder::new(&bytes[..]).take(u64::from(max_length) + 1);
        limited
            .read_to_end(&mut message)
            .map_err(|_| Status::new(Code::InvalidArgument, "the message is not valid gzip"))?;
        if message.len() > max_length as usize {
            return Err(too_long(message.len(), max_length));
        }
        Ok(message.into())
    }
}

impl Settings {
    /// Compresses the body of a response if the settings and the client want it, and describes that
    /// in the headers of the response.
    pub(super) fn compress_body(
        &self,
        request: &HeaderMap,
        body: Bytes,
        response: &mut HeaderMap,
    ) -> Bytes {
        if !self.compress_responses {
            return body;
        }
        response.append(VARY, HeaderValue::from_static("accept-encoding"));
        if body.len() < MIN_COMPRESSED || !accepts_gzip(request, &ACCEPT_ENCODING) {
            return body;
        }
        response.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        compress(&body)
    }

    /// Returns the compression of the messages of a stream of Connect.
    pub(super) fn stream_compression(&self, request: &HeaderMap) -> Compression {
        if self.compress_responses && accepts_gzip(request, &STREAM_ACCEPT) {
            Compression::Gzip
        } else {
            Compression::Identity
        }
    }
}

/// Returns the compressed form of a message. `None` for one that is better sent as it is.
pub(super) fn compress_message(compression: Compression, message: &[u8]) -> Option<Bytes> {
    let is_worth_it = compression == Compression::Gzip && message.len() >= MIN_COMPRESSED;
    is_worth_it.then(|| compress(message))
}

fn compress(bytes: &[u8]) -> Bytes {
    let mut compressed = Vec::with_capacity(bytes.len() / 4);
    let mut encoder = GzEncoder::new(bytes, flate2::Compression::fast());
    // Reading from memory does not fail.
    let _ = encoder.read_to_end(&mut compressed);
    compressed.into()
}

/// Reports whether a header lists gzip, with a weight that is not zero.
fn accepts_gzip(headers: &HeaderMap, name: &HeaderName) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|list| list.split(',')).any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|coding| coding.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && weight.is_none_or(|weight| weight.parse().is_ok_and(|weight: f32| weight > 0.0))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn decompress(bytes: Bytes, max: u32) -> Result<Bytes, Code> {
        Compression::Gzip.decompress(bytes, max).map_err(|status| status.code)
    }

    #[test]
    fn a_message_is_decompressed_up_to_the_limit() {
        let message = vec![7; 100_000];
        assert_eq!(decompress(compress(&message), 100_000), Ok(message.clone().into()));
        assert_eq!(decompress(compress(&message), 99_999), Err(Code::ResourceExhausted));
        assert_eq!(decompress(Bytes::new(), 10), Ok(Bytes::new()));
        assert_eq!(decompress(Bytes::from_static(b"plain"), 10), Err(Code::InvalidArgument));
        let cut = compress(&message).slice(..20);
        assert_eq!(decompress(cut, 100_000), Err(Code::InvalidArgument));
    }

    #[test]
    fn gzip_is_accepted_by_its_name_and_weight() {
        for (accept, is_accepted) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("deflate, gzip ; q=1", true),
            ("gzip;q=0", false),
            ("gzip;q=0.000", false),
            ("gzip;q=many", false),
            ("br", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(accept).unwrap());
            assert_eq!(accepts_gzip(&headers, &ACCEPT_ENCODING), is_accepted, "{accept}");
        }
    }

    #[test]
    fn short_messages_are_not_compressed() {
        let long = vec![7; MIN_COMPRESSED];
        assert_eq!(compress_message(Compression::Gzip, &long[1..]), None);
        assert_eq!(compress_message(Compression::Identity, &long), None);
        let compressed = compress_message(Compression::Gzip, &long).unwrap();
        assert_eq!(decompress(compressed, 2048), Ok(long.into()));
    }

    #[test]
    fn unknown_names_are_answered_with_the_known_ones() {
        assert_eq!(Compression::named(None), Ok(Compression::Identity));
        assert_eq!(Compression::named(Some(b"gzip")), Ok(Compression::Gzip));
        let status = Compression::named(Some(b"br")).unwrap_err();
        assert_eq!(status.code, Code::Unimplemented);
        assert!(status.message.contains("gzip"));
    }
}
