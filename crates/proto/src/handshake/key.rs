//! The client's key, and the server's proof of having read it (RFC 6455 section 1.3).

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, PAD, STANDARD};
use sha1::{Digest as _, Sha1};

/// The string that is appended to the key before hashing (RFC 6455 section 1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Base64 that accepts trailing bits other than zero: the RFC's own example of a key (section 4.1),
/// which some clients send unchanged, has them.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, PAD.with_decode_allow_trailing_bits(true));

/// The length of 16 bytes in base64.
const KEY_LENGTH: usize = 24;

/// The length of a SHA-1 digest in base64.
const ACCEPT_LENGTH: usize = 28;

/// A client's `Sec-WebSocket-Key`: 16 bytes in base64.
///
/// ```
/// use sockeye_proto::handshake::Key;
///
/// let key = Key::parse("dGhlIHNhbXBsZSBub25jZQ==").unwrap();
/// assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u8; KEY_LENGTH]);

impl Key {
    /// Creates a key from `nonce`, which must be fresh and random for each connection (RFC 6455
    /// section 4.1).
    pub fn new(nonce: [u8; 16]) -> Self {
        let mut encoded = [0; KEY_LENGTH];
        let length = STANDARD.encode_slice(nonce, &mut encoded);
        debug_assert_eq!(length, Ok(KEY_LENGTH));
        Self(encoded)
    }

    /// Parses the header's value. Returns `None` unless the value is 16 bytes in base64.
    pub fn parse(value: &str) -> Option<Self> {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.1
        //# A |Sec-WebSocket-Key| header field with a base64-encoded (see
        //# Section 4 of [RFC4648]) value that, when decoded, is 16 bytes in
        //# length.
        let encoded: [u8; KEY_LENGTH] = value.as_bytes().try_into().ok()?;
        // 18 bytes: the length that 24 characters without padding decode to.
        let mut decoded = [0; 18];
        (LENIENT.decode_slice(encoded, &mut decoded) == Ok(16)).then_some(Self(encoded))
    }

    /// Returns the header's value.
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }

    /// Returns the proof that a server has read this key.
    pub fn accept(&self) -> Accept {
        //= https://www.rfc-editor.org/rfc/rfc6455#section-4.2.2
        //# concatenating /key/, defined above in step 4 in Section 4.2.2, with the
        //# string "258EAFA5-E914-47DA-95CA-C5AB0DC85B11", taking the SHA-1 hash of
        //# this concatenated value to obtain a 20-byte value and base64-
        //# encoding
        let digest = Sha1::new().chain_update(self.0).chain_update(GUID).finalize();
        let mut encoded = [0; ACCEPT_LENGTH];
        let length = STANDARD.encode_slice(digest, &mut encoded);
        debug_assert_eq!(length, Ok(ACCEPT_LENGTH));
        Accept(encoded)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A server's `Sec-WebSocket-Accept`: the hash of the client's key, in base64.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accept([u8; ACCEPT_LENGTH]);

impl Accept {
    /// Returns the header's value.
    pub fn as_str(&self) -> &str {
        ascii(&self.0)
    }
}

impl fmt::Display for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

fn ascii(encoded: &[u8]) -> &str {
    std::str::from_utf8(encoded).expect("base64 is ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 6455 section 1.3.
    #[test]
    fn the_example_of_the_rfc_holds() {
        let key = Key::new(*b"the sample nonce");
        assert_eq!(key.as_str(), "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(key.accept().as_str(), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(Key::parse("dGhlIHNhbXBsZSBub25jZQ=="), Some(key));
    }

    #[test]
    fn the_rfcs_example_of_a_key_is_one_though_its_last_bits_are_not_zero() {
        let key = Key::parse("AQIDBAUGBwgJCgsMDQ4PEC==").unwrap();
        assert_eq!(key.as_str(), "AQIDBAUGBwgJCgsMDQ4PEC==");
    }

    #[test]
    fn only_sixteen_bytes_in_base64_are_a_key() {
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZSE=",
            "dGhlIHNhbXBsZSBub25jZSEh",
            "dGhlIHNhbXBsZSBub25j*Q==",
            " dGhlIHNhbXBsZSBub25jZQ==",
        ] {
            assert_eq!(Key::parse(bad), None, "{bad}");
        }
    }
}
