use std::error::Error;
use std::fmt;
use std::time::SystemTime;

/// The reason why a token is refused, or why a key cannot verify tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenError {
    /// The text is no signed JWT: three parts in base64url, of which the first two are JSON
    /// objects.
    Malformed,
    /// The token is longer than [`TokenVerifier::MAX_LENGTH`](super::TokenVerifier::MAX_LENGTH).
    TooLong {
        /// The length of the token in bytes.
        length: usize,
    },
    /// The token names an algorithm that the key does not have: `none`, one that is not supported,
    /// or one of another kind of key.
    Algorithm,
    /// The token requires an extension by the header `crit`. None is supported.
    Critical,
    /// The token names a key that the set does not have, or names none and the set has several.
    UnknownKey,
    /// The signature is not of the key.
    Signature,
    /// The token has expired: the client should fetch a new one.
    Expired {
        /// The claim `exp` or `expire_at`.
        at: SystemTime,
    },
    /// The claim `nbf` or `iat` is in the future.
    NotYetValid {
        /// The claim.
        at: SystemTime,
    },
    /// The token is for another audience, or for none.
    OtherAudience,
    /// The token is of another issuer, or of none.
    OtherIssuer,
    /// The token, or all older tokens of its user, are revoked.
    Revoked,
    /// A claim is missing or has a wrong value.
    Claim {
        /// The name of the claim.
        name: &'static str,
        /// The description of the right values.
        expected: &'static str,
    },
    /// The key cannot verify tokens.
    Key(KeyError),
}

/// The reason why a key cannot verify tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// The secret has less than
    /// [`TokenVerifier::MIN_SECRET_LENGTH`](super::TokenVerifier::MIN_SECRET_LENGTH) bytes.
    SecretTooShort {
        /// The length of the secret in bytes.
        length: usize,
    },
    /// The text has no PEM section `PUBLIC KEY`.
    NoPublicKey,
    /// The text has a private key, which a verifier must not have.
    PrivateKey,
    /// The key is encoded wrongly.
    Encoding,
    /// The kind or the curve of the key is not supported.
    Unsupported,
    /// The key is of another kind.
    OtherKind {
        /// The kind that the function takes.
        expected: &'static str,
    },
    /// The RSA modulus has less than 2,048 or more than 8,192 bits.
    ModulusLength {
        /// The length of the modulus in bits.
        bits: usize,
    },
    /// The text is no JWK set: a JSON object with an array `keys`.
    NoKeySet {
        /// The line of the error, from 1.
        line: usize,
        /// The column of the error, from 1; 0 if the error is of the line as a whole.
        column: usize,
    },
    /// A key of the set is broken.
    BrokenKey {
        /// The place of the key in the set, from 0.
        index: usize,
        /// The name of the member that is missing or wrong.
        member: &'static str,
    },
    /// The set has no key that is supported and may verify signatures.
    NoUsableKey,
    /// The set has more than 64 keys.
    TooManyKeys,
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed => f.write_str("the token is no signed JWT"),
            Self::TooLong { length } => {
                let limit = super::TokenVerifier::MAX_LENGTH;
                write!(f, "a token of {length} bytes is longer than {limit}")
            }
            Self::Algorithm => f.write_str("the key does not have the token's algorithm"),
            Self::Critical => f.write_str("the token requires an extension by its header \"crit\""),
            Self::UnknownKey => f.write_str("no key has the token's \"kid\""),
            Self::Signature => f.write_str("the token's signature is wrong"),
            Self::Expired { .. } => f.write_str("the token has expired"),
            Self::NotYetValid { .. } => f.write_str("the token is not valid yet"),
            Self::OtherAudience => f.write_str("the token is for another audience"),
            Self::OtherIssuer => f.write_str("the token is of another issuer"),
            Self::Revoked => f.write_str("the token is revoked"),
            Self::Claim { name, expected } => {
                write!(f, "the token's claim {name:?} is wrong: expected {expected}")
            }
            Self::Key(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SecretTooShort { length } => {
                let minimum = super::TokenVerifier::MIN_SECRET_LENGTH;
                write!(f, "a secret of {length} bytes is too short: expected {minimum} or more")
            }
            Self::NoPublicKey => f.write_str("expected a PEM file with a section PUBLIC KEY"),
            Self::PrivateKey => f.write_str("this is a private key: expected its public key"),
            Self::Encoding => f.write_str("the public key is encoded wrongly"),
            Self::Unsupported => f.write_str("expected an RSA key, or an EC key on P-256 or P-384"),
            Self::OtherKind { expected } => write!(f, "expected an {expected} key"),
            Self::ModulusLength { bits } => {
                write!(f, "an RSA key of {bits} bits is not supported: expected 2048 to 8192")
            }
            Self::NoKeySet { line, column } => {
                write!(f, "expected a JWK set, {{\"keys\": [...]}}: line {line}, column {column}")
            }
            Self::BrokenKey { index, member } => {
                write!(f, "key {index} of the JWK set: {member:?} is missing or wrong")
            }
            Self::NoUsableKey => f.write_str(
                "the JWK set has no key for signatures that is RSA, EC on P-256 or P-384, or secret",
            ),
            Self::TooManyKeys => f.write_str("the JWK set has more than 64 keys"),
        }
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // The text is that of the key's error already.
            Self::Key(error) => error.source(),
            _ => None,
        }
    }
}

impl Error for KeyError {}

impl From<KeyError> for TokenError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}
