//! The compact serialization of RFC 7515 section 3.1: header, payload and signature, each in
//! base64url.

use std::borrow::Cow;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::TokenError;
use super::key::{Algorithm, IdentifiedKey};

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    kid: Option<Cow<'a, str>>,
    crit: Option<IgnoredAny>,
}

/// Returns the payload of a token that one of the keys has signed.
pub(super) fn verify(token: &str, keys: &[IdentifiedKey]) -> Result<Vec<u8>, TokenError> {
    let (signed, signature) = token.rsplit_once('.').ok_or(TokenError::Malformed)?;
    let (header, payload) = signed.split_once('.').ok_or(TokenError::Malformed)?;
    let decode = |part| URL_SAFE_NO_PAD.decode(part).map_err(|_| TokenError::Malformed);
    let header = decode(header)?;
    let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| TokenError::Malformed)?;
    // RFC 7515 section 4.1.11: "If any of the listed extension Header Parameters are not understood
    // and supported by the recipient, then the JWS is invalid."
    if header.crit.is_some() {
        return Err(TokenError::Critical);
    }
    let algorithm = Algorithm::from_name(&header.alg).ok_or(TokenError::Algorithm)?;
    // A dot in the payload, as in encrypted tokens, is no base64url.
    let (payload, signature) = (decode(payload)?, decode(signature)?);
    let key = find(keys, header.kid.as_deref(), algorithm)?;
    key.key.verify(algorithm, signed.as_bytes(), &signature)?;
    Ok(payload)
}

/// Returns the key that a token names; without a name, the only key that has the algorithm.
fn find<'a>(
    keys: &'a [IdentifiedKey],
    id: Option<&str>,
    algorithm: Algorithm,
) -> Result<&'a IdentifiedKey, TokenError> {
    // A key outside a set has no identity: a token may name it as it likes.
    if let [key @ IdentifiedKey { id: None, .. }] = keys {
        return if key.has(algorithm) { Ok(key) } else { Err(TokenError::Algorithm) };
    }
    let named = |key: &&IdentifiedKey| id.is_none_or(|id| key.id.as_deref() == Some(id));
    let mut named = keys.iter().filter(named).peekable();
    if named.peek().is_none() {
        return Err(TokenError::UnknownKey);
    }
    let mut matching = named.filter(|key| key.has(algorithm));
    let first = matching.next().ok_or(TokenError::Algorithm)?;
    if matching.next().is_some() { Err(TokenError::UnknownKey) } else { Ok(first) }
}
