use std::error::Error;
use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use ring::hmac;

use crate::random;

/// The minimum length of a key in bytes. Chosen: 64 random bits in hexadecimal.
const MIN_LENGTH: usize = 16;

/// A key, as its HMAC with a random secret: to compare such is to compare in constant time,
/// whatever the lengths, and the key itself is not kept.
#[derive(Clone)]
pub(super) struct ApiKey {
    secret: hmac::Key,
    tag: hmac::Tag,
}

/// A text cannot be the key of an [`Api`](super::Api).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The key has less than 16 bytes.
    TooShort {
        /// The length of the key in bytes.
        length: usize,
    },
    /// The key has characters that are not visible ASCII, which a header cannot have.
    Character,
}

impl ApiKey {
    pub(super) fn new(key: &str) -> Result<Self, ApiKeyError> {
        if key.len() < MIN_LENGTH {
            return Err(ApiKeyError::TooShort { length: key.len() });
        }
        if !key.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ')
            || key.trim_ascii().len() != key.len()
        {
            return Err(ApiKeyError::Character);
        }
        let secret = [random::bits(), random::bits()].map(u64::to_be_bytes).concat();
        let secret = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let tag = hmac::sign(&secret, key.as_bytes());
        Ok(Self { secret, tag })
    }

    fn is(&self, presented: &[u8]) -> bool {
        hmac::verify(&self.secret, presented, self.tag.as_ref()).is_ok()
    }
}

/// Returns whether a request presents one of the keys.
pub(super) fn is_accepted(keys: &[ApiKey], headers: &HeaderMap) -> bool {
    let Some(presented) = find_presented(headers) else { return false };
    // All keys are compared, so that the time does not tell which one is like the presented one.
    keys.iter().fold(false, |accepted, key| accepted | key.is(presented))
}

fn find_presented(headers: &HeaderMap) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"apikey ";
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.as_bytes());
    }
    let (scheme, key) = headers.get(AUTHORIZATION)?.as_bytes().split_at_checked(SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then(|| key.trim_ascii())
}

impl fmt::Debug for ApiKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ApiKey")
    }
}

impl fmt::Display for ApiKeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooShort { length } => {
                write!(
                    f,
                    "an API key of {length} bytes is too short: expected {MIN_LENGTH} or more"
                )
            }
            Self::Character => {
                f.write_str("expected an API key of visible ASCII characters, as headers can have")
            }
        }
    }
}

impl Error for ApiKeyError {}
