use std::fmt;

use ring::{hmac, signature as ring_signature};

use super::{KeyError, TokenError, TokenVerifier};

/// A signature algorithm of RFC 7518 section 3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Algorithm {
    Hs256,
    Hs384,
    Hs512,
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
}

impl Algorithm {
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "HS256" => Self::Hs256,
            "HS384" => Self::Hs384,
            "HS512" => Self::Hs512,
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            _ => return None,
        })
    }
}

/// A key, which has algorithms of its own kind only.
pub(super) enum Key {
    Hmac(Box<HmacKeys>),
    Rsa(RsaKey),
    /// An uncompressed point on P-256.
    P256(Box<[u8]>),
    /// An uncompressed point on P-384.
    P384(Box<[u8]>),
}

/// A secret, prepared for each hash function.
pub(super) struct HmacKeys {
    sha256: hmac::Key,
    sha384: hmac::Key,
    sha512: hmac::Key,
}

/// The modulus and the exponent, big-endian and without leading zeros.
pub(super) struct RsaKey {
    modulus: Box<[u8]>,
    exponent: Box<[u8]>,
}

/// A key, and what a JWK set says about it.
#[derive(Debug)]
pub(super) struct IdentifiedKey {
    pub(super) id: Option<Box<str>>,
    /// The only algorithm that the key may be used with.
    pub(super) only: Option<Algorithm>,
    pub(super) key: Key,
}

impl From<Key> for IdentifiedKey {
    fn from(key: Key) -> Self {
        Self { id: None, only: None, key }
    }
}

impl IdentifiedKey {
    pub(super) fn has(&self, algorithm: Algorithm) -> bool {
        self.only.is_none_or(|only| only == algorithm) && self.key.has(algorithm)
    }
}

impl Key {
    pub(super) fn hmac(secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < TokenVerifier::MIN_SECRET_LENGTH {
            return Err(KeyError::SecretTooShort { length: secret.len() });
        }
        Ok(Self::Hmac(Box::new(HmacKeys {
            sha256: hmac::Key::new(hmac::HMAC_SHA256, secret),
            sha384: hmac::Key::new(hmac::HMAC_SHA384, secret),
            sha512: hmac::Key::new(hmac::HMAC_SHA512, secret),
        })))
    }

    /// Makes a key of big-endian numbers, which may have leading zeros.
    pub(super) fn rsa(modulus: &[u8], exponent: &[u8]) -> Result<Self, KeyError> {
        let modulus = without_leading_zeros(modulus);
        let exponent = without_leading_zeros(exponent);
        let Some(first) = modulus.first() else { return Err(KeyError::Encoding) };
        let bits = modulus.len().saturating_mul(8) - first.leading_zeros() as usize;
        if !(2_048..=8_192).contains(&bits) {
            return Err(KeyError::ModulusLength { bits });
        }
        // The exponents that ring takes: odd, at least 3, less than 2^33.
        let is_odd = exponent.last().is_some_and(|last| last % 2 == 1);
        if !is_odd || exponent == [1] || exponent.len() > 5 {
            return Err(KeyError::Encoding);
        }
        Ok(Self::Rsa(RsaKey { modulus: modulus.into(), exponent: exponent.into() }))
    }

    /// Makes a key of an uncompressed point (SEC 1 section 2.3.3).
    pub(super) fn p256(point: &[u8]) -> Result<Self, KeyError> {
        check_point(point, 32)?;
        Ok(Self::P256(point.into()))
    }

    /// Makes a key of an uncompressed point (SEC 1 section 2.3.3).
    pub(super) fn p384(point: &[u8]) -> Result<Self, KeyError> {
        check_point(point, 48)?;
        Ok(Self::P384(point.into()))
    }

    fn has(&self, algorithm: Algorithm) -> bool {
        use Algorithm::{
            Es256, Es384, Hs256, Hs384, Hs512, Ps256, Ps384, Ps512, Rs256, Rs384, Rs512,
        };
        match self {
            Self::Hmac(_) => matches!(algorithm, Hs256 | Hs384 | Hs512),
            Self::Rsa(_) => matches!(algorithm, Rs256 | Rs384 | Rs512 | Ps256 | Ps384 | Ps512),
            Self::P256(_) => algorithm == Es256,
            Self::P384(_) => algorithm == Es384,
        }
    }

    /// Verifies the signature of a message.
    pub(super) fn verify(
        &self,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), TokenError> {
        use ring_signature::{
            ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, RSA_PKCS1_2048_8192_SHA256,
            RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
            RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, UnparsedPublicKey,
        };
        let rsa = |key: &RsaKey, parameters| {
            let (n, e) = (&key.modulus, &key.exponent);
            let key = ring_signature::RsaPublicKeyComponents { n, e };
            key.verify(parameters, message, signature)
        };
        // Every arm pairs a kind of key with an algorithm of that kind.
        let verified = match (self, algorithm) {
            (Self::Hmac(keys), Algorithm::Hs256) => hmac::verify(&keys.sha256, message, signature),
            (Self::Hmac(keys), Algorithm::Hs384) => hmac::verify(&keys.sha384, message, signature),
            (Self::Hmac(keys), Algorithm::Hs512) => hmac::verify(&keys.sha512, message, signature),
            (Self::Rsa(key), Algorithm::Rs256) => rsa(key, &RSA_PKCS1_2048_8192_SHA256),
            (Self::Rsa(key), Algorithm::Rs384) => rsa(key, &RSA_PKCS1_2048_8192_SHA384),
            (Self::Rsa(key), Algorithm::Rs512) => rsa(key, &RSA_PKCS1_2048_8192_SHA512),
            (Self::Rsa(key), Algorithm::Ps256) => rsa(key, &RSA_PSS_2048_8192_SHA256),
            (Self::Rsa(key), Algorithm::Ps384) => rsa(key, &RSA_PSS_2048_8192_SHA384),
            (Self::Rsa(key), Algorithm::Ps512) => rsa(key, &RSA_PSS_2048_8192_SHA512),
            (Self::P256(point), Algorithm::Es256) => {
                UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature)
            }
            (Self::P384(point), Algorithm::Es384) => {
                UnparsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point).verify(message, signature)
            }
            _ => return Err(TokenError::Algorithm),
        };
        verified.map_err(|_| TokenError::Signature)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hmac(_) => "Hmac",
            Self::Rsa(_) => "Rsa",
            Self::P256(_) => "P256",
            Self::P384(_) => "P384",
        })
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn check_point(point: &[u8], coordinate: usize) -> Result<(), KeyError> {
    const UNCOMPRESSED: u8 = 0x04;
    let is_uncompressed = point.first() == Some(&UNCOMPRESSED);
    if is_uncompressed && point.len() == 1 + 2 * coordinate {
        Ok(())
    } else {
        Err(KeyError::Encoding)
    }
}
