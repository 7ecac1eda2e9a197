//! JWK sets of RFC 7517 section 5.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::KeyError;
use super::key::{Algorithm, IdentifiedKey, Key};

/// The maximum number of keys in a set. Chosen: issuers publish two or three.
const MAX_KEYS: usize = 64;

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<serde_json::Value>,
}

#[derive(Deserialize)]
struct Jwk {
    kty: String,
    #[serde(rename = "use")]
    purpose: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    crv: Option<String>,
    n: Option<String>,
    e: Option<String>,
    x: Option<String>,
    y: Option<String>,
    k: Option<String>,
    d: Option<IgnoredAny>,
}

/// Reads the keys of a set that may verify signatures.
pub(super) fn read(json: &[u8]) -> Result<Vec<IdentifiedKey>, KeyError> {
    let set: KeySet = serde_json::from_slice(json)
        .map_err(|error| KeyError::NoKeySet { line: error.line(), column: error.column() })?;
    if set.keys.len() > MAX_KEYS {
        return Err(KeyError::TooManyKeys);
    }
    let mut keys = Vec::new();
    for (index, key) in set.keys.into_iter().enumerate() {
        // RFC 7517 section 5: "Implementations SHOULD ignore JWKs within a JWK Set that use "kty"
        // (key type) values that are not understood by them, that are missing required members, or
        // for which values are out of the supported ranges." A key that is understood and broken is
        // an error here, as the file is the operator's own.
        let Ok(jwk) = Jwk::deserialize(key) else { continue };
        keys.extend(jwk.into_key(index)?);
    }
    if keys.is_empty() { Err(KeyError::NoUsableKey) } else { Ok(keys) }
}

impl Jwk {
    /// Makes the key at a place of the set; `None` if it is not for verifying signatures, or not
    /// supported.
    fn into_key(self, index: usize) -> Result<Option<IdentifiedKey>, KeyError> {
        let other_use = self.purpose.as_deref().is_some_and(|purpose| purpose != "sig");
        let verifies = |operations: &Vec<String>| operations.iter().any(|name| name == "verify");
        if other_use || !self.key_ops.as_ref().is_none_or(verifies) {
            return Ok(None);
        }
        let only = match self.alg.as_deref().map(Algorithm::from_name) {
            None => None,
            Some(Some(only)) => Some(only),
            Some(None) => return Ok(None),
        };
        if self.d.is_some() {
            return Err(KeyError::PrivateKey);
        }
        let number = |member: &'static str, text: &Option<String>| {
            let text = text.as_deref().ok_or(KeyError::BrokenKey { index, member })?;
            URL_SAFE_NO_PAD.decode(text).map_err(|_| KeyError::BrokenKey { index, member })
        };
        let key = match (self.kty.as_str(), self.crv.as_deref()) {
            ("RSA", _) => Key::rsa(&number("n", &self.n)?, &number("e", &self.e)?)?,
            ("EC", Some("P-256")) => {
                Key::p256(&point(&number("x", &self.x)?, &number("y", &self.y)?))
                    .map_err(|_| KeyError::BrokenKey { index, member: "x" })?
            }
            ("EC", Some("P-384")) => {
                Key::p384(&point(&number("x", &self.x)?, &number("y", &self.y)?))
                    .map_err(|_| KeyError::BrokenKey { index, member: "x" })?
            }
            ("oct", _) => Key::hmac(&number("k", &self.k)?)?,
            _ => return Ok(None),
        };
        let key = IdentifiedKey { id: self.kid.map(Into::into), only, key };
        match only {
            Some(algorithm) if !key.has(algorithm) => {
                Err(KeyError::BrokenKey { index, member: "alg" })
            }
            _ => Ok(Some(key)),
        }
    }
}

/// Returns the uncompressed point with these coordinates (SEC 1 section 2.3.3).
fn point(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[0x04], x, y].concat()
}
