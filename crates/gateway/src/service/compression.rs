//! Compression of Connect's requests.

use std::io::Read as _;

use bytes::Bytes;
use flate2::read::GzDecoder;

use super::call::too_long;
use crate::status::{Code, Status};

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
    /// `resource_exhausted` if the message is longer than the limit, without reading more of it, and
    /// `invalid_argument` if the bytes are not so compressed.
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use flate2::read::GzEncoder;

    use super::*;

    fn gzip(bytes: &[u8]) -> Bytes {
        let mut compressed = Vec::new();
        GzEncoder::new(bytes, flate2::Compression::fast()).read_to_end(&mut compressed).unwrap();
        compressed.into()
    }

    fn decompress(bytes: Bytes, max: u32) -> Result<Bytes, Code> {
        Compression::Gzip.decompress(bytes, max).map_err(|status| status.code)
    }

    #[test]
    fn a_message_is_decompressed_up_to_the_limit() {
        let message = vec![7; 100_000];
        assert_eq!(decompress(gzip(&message), 100_000), Ok(message.clone().into()));
        assert_eq!(decompress(gzip(&message), 99_999), Err(Code::ResourceExhausted));
        assert_eq!(decompress(Bytes::new(), 10), Ok(Bytes::new()));
        assert_eq!(decompress(Bytes::from_static(b"plain"), 10), Err(Code::InvalidArgument));
        let cut = gzip(&message).slice(..20);
        assert_eq!(decompress(cut, 100_000), Err(Code::InvalidArgument));
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
