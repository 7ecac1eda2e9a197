//! JSON Web Tokens (RFC 7519), by which an application's backend tells the hub who a client is, and
//! which rooms the client may join.
//!
//! The backend signs a token, the client presents it, and a [`TokenVerifier`] accepts or refuses
//! it. The claims are those of centrifugo, so that its guides and libraries apply:
//!
//! | claim | connection | room | meaning |
//! |---|---|---|---|
//! | `sub` | required | required | the user, not empty |
//! | `exp` | optional | optional | the token is refused from this time on |
//! | `nbf` | optional | optional | the token is refused before this time |
//! | `iat` | optional | optional | the time of issue; refused if in the future |
//! | `expire_at` | optional | optional | the time at which the connection or membership ends, in place of `exp`; 0 for never |
//! | `jti` | optional | optional | the identity of the token, for [`Revocations`] |
//! | `aud` | optional | optional | one text or several, checked if the verifier has an audience |
//! | `iss` | optional | optional | checked if the verifier has an issuer |
//! | `info` | optional | optional | any JSON that other members see in the room's presence |
//! | `b64info` | optional | optional | the same as bytes, in base64; takes precedence over `info` |
//! | `channels` | optional | | rooms that the server lets the client join |
//! | `subs` | optional | | an object whose names are more such rooms; its values are ignored |
//! | `channel` | forbidden | required | the room |
//!
//! Times are numbers of seconds since 1970. Other claims are ignored.
//!
//! # Signatures
//!
//! | key | algorithms |
//! |---|---|
//! | secret | `HS256`, `HS384`, `HS512` |
//! | RSA of 2,048 to 8,192 bits | `RS256`, `RS384`, `RS512`, `PS256`, `PS384`, `PS512` |
//! | EC on P-256 | `ES256` |
//! | EC on P-384 | `ES384` |
//!
//! The key decides which algorithms a token may name, never the token: a token that was signed with
//! the text of a public key as an HMAC secret is refused, and so is `none`. Not supported, as ring
//! does not have it: `ES512` on P-521.

mod claims;
mod error;
#[cfg(any(fuzzing, test))]
pub(crate) mod fuzzing;
mod jwks;
mod key;
mod revocations;
mod signature;
mod spki;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

pub use claims::{ConnectionClaims, RoomClaims};
pub use error::{KeyError, TokenError};
pub(crate) use revocations::Revocation;
pub use revocations::{RevocationError, Revocations};

use claims::Claims;
use key::{IdentifiedKey, Key};

/// The keys and rules by which tokens are accepted. Clones are cheap and share the keys.
///
/// ```
/// use std::time::SystemTime;
///
/// use sockeye_hub::token::{TokenError, TokenVerifier};
///
/// # fn example(presented: &str, secret: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
/// let tokens = TokenVerifier::hmac(secret)?.audience("chat");
/// match tokens.verify_connection(presented, SystemTime::now()) {
///     Ok(claims) => println!("{} is connected", claims.user),
///     Err(TokenError::Expired { .. }) => println!("get a new token"),
///     Err(error) => println!("refused: {error}"),
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct TokenVerifier {
    keys: Arc<[IdentifiedKey]>,
    audience: Option<Arc<str>>,
    issuer: Option<Arc<str>>,
    leeway: Duration,
    revocations: Option<Revocations>,
}

impl TokenVerifier {
    /// The maximum length of a token in bytes. Longer tokens are refused unread. Chosen: twice the
    /// limit of most HTTP servers for a header, in which tokens are handed out.
    pub const MAX_LENGTH: usize = 16 * 1024;

    /// The minimum length of a secret in bytes: the output of SHA-256, as RFC 7518 section 3.2
    /// requires for `HS256`.
    pub const MIN_SECRET_LENGTH: usize = 32;

    /// The maximum of [`leeway`](Self::leeway).
    pub const MAX_LEEWAY: Duration = Duration::from_secs(300);

    /// Accepts tokens that are signed with a shared secret: `HS256`, `HS384`, `HS512`.
    ///
    /// # Errors
    /// [`KeyError::SecretTooShort`] for a secret of less than
    /// [`MIN_SECRET_LENGTH`](Self::MIN_SECRET_LENGTH) bytes. Take 32 random bytes or more, such as
    /// the output of `openssl rand -hex 32`.
    pub fn hmac(secret: &[u8]) -> Result<Self, TokenError> {
        Ok(Self::new(vec![Key::hmac(secret)?.into()]))
    }

    /// Accepts tokens that are signed with the private key of this RSA public key: `RS256` to
    /// `RS512` and `PS256` to `PS512`. The key is a PEM file's section `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`TokenError::Key`] with the reason why the key cannot be used.
    pub fn rsa_pem(pem: &[u8]) -> Result<Self, TokenError> {
        match spki::read_pem(pem)? {
            key @ Key::Rsa(_) => Ok(Self::new(vec![key.into()])),
            _ => Err(KeyError::OtherKind { expected: "RSA" }.into()),
        }
    }

    /// Accepts tokens that are signed with the private key of this EC public key on P-256 or P-384:
    /// `ES256` or `ES384`. The key is a PEM file's section `PUBLIC KEY`.
    ///
    /// # Errors
    /// [`TokenError::Key`] with the reason why the key cannot be used.
    pub fn ec_pem(pem: &[u8]) -> Result<Self, TokenError> {
        match spki::read_pem(pem)? {
            key @ (Key::P256(_) | Key::P384(_)) => Ok(Self::new(vec![key.into()])),
            _ => Err(KeyError::OtherKind { expected: "EC" }.into()),
        }
    }

    /// Accepts tokens that are signed with any key of a JWK set (RFC 7517): RSA and EC public keys,
    /// and secrets.
    ///
    /// A token names its key by the header `kid`; without it, the set must have only one key for
    /// the token's algorithm. Keys of other kinds and for other uses are ignored.
    ///
    /// # Errors
    /// [`TokenError::Key`] if the text is no JWK set, a key of it is broken, too short or private,
    /// or no key can be used.
    pub fn jwks(json: &[u8]) -> Result<Self, TokenError> {
        Ok(Self::new(jwks::read(json)?))
    }

    fn new(keys: Vec<IdentifiedKey>) -> Self {
        Self {
            keys: keys.into(),
            audience: None,
            issuer: None,
            leeway: Duration::from_secs(10),
            revocations: None,
        }
    }

    /// Requires that the claim `aud` is, or contains, this text. Default: any audience, or none.
    pub fn audience(self, audience: &str) -> Self {
        Self { audience: Some(audience.into()), ..self }
    }

    /// Requires that the claim `iss` is this text. Default: any issuer, or none.
    pub fn issuer(self, issuer: &str) -> Self {
        Self { issuer: Some(issuer.into()), ..self }
    }

    /// Sets the difference between the clocks of the issuer and this machine that is tolerated for
    /// `exp`, `nbf` and `iat`. More than [`MAX_LEEWAY`](Self::MAX_LEEWAY) counts as that. Default:
    /// 10 s, more than what machines with NTP differ.
    pub fn leeway(self, leeway: Duration) -> Self {
        Self { leeway: leeway.min(Self::MAX_LEEWAY), ..self }
    }

    /// Refuses the tokens that are revoked there, and those that will be.
    pub fn revocations(self, revocations: Revocations) -> Self {
        Self { revocations: Some(revocations), ..self }
    }

    /// Verifies a token for a connection.
    ///
    /// # Errors
    /// [`TokenError`] with the reason. [`TokenError::Expired`] means that the client should fetch a
    /// new token; all others are final. A token for a room is refused.
    pub fn verify_connection(
        &self,
        token: &str,
        now: SystemTime,
    ) -> Result<ConnectionClaims, TokenError> {
        let payload = self.verified_payload(token)?;
        let claims = Claims::parse(&payload)?;
        let common = self.check(&claims, now)?;
        if claims.has("channel") {
            let expected = "no value in a token for a connection";
            return Err(TokenError::Claim { name: "channel", expected });
        }
        ConnectionClaims::new(common, &claims)
    }

    /// Verifies a token for a room. The caller compares [`RoomClaims::user`] with the user of the
    /// connection, and [`RoomClaims::room`] with the room that the client asks for.
    ///
    /// # Errors
    /// Same as [`verify_connection`](Self::verify_connection). A token for a connection is refused.
    pub fn verify_room(&self, token: &str, now: SystemTime) -> Result<RoomClaims, TokenError> {
        let payload = self.verified_payload(token)?;
        let claims = Claims::parse(&payload)?;
        let common = self.check(&claims, now)?;
        RoomClaims::new(common, &claims)
    }

    /// Returns the payload of a token whose signature is verified.
    fn verified_payload(&self, token: &str) -> Result<Vec<u8>, TokenError> {
        if token.len() > Self::MAX_LENGTH {
            return Err(TokenError::TooLong { length: token.len() });
        }
        signature::verify(token, &self.keys)
    }

    /// Checks the claims that tokens of both kinds have.
    fn check(&self, claims: &Claims<'_>, now: SystemTime) -> Result<claims::Common, TokenError> {
        let common = claims.common()?;
        // RFC 7519 section 4.1.4: "The "exp" (expiration time) claim identifies the expiration time
        // on or after which the JWT MUST NOT be accepted for processing."
        for time in [claims.time("exp")?, common.expires] {
            if let Some(at) = time.filter(|at| now >= *at + self.leeway) {
                return Err(TokenError::Expired { at });
            }
        }
        // RFC 7519 section 4.1.5: "The "nbf" (not before) claim identifies the time before which
        // the JWT MUST NOT be accepted for processing."
        for time in [claims.time("nbf")?, common.issued] {
            // A token of the future would outlast the revocation of the user's tokens.
            if let Some(at) = time.filter(|at| now + self.leeway < *at) {
                return Err(TokenError::NotYetValid { at });
            }
        }
        if let Some(audience) = &self.audience {
            if !claims.audiences()?.iter().any(|named| **named == **audience) {
                return Err(TokenError::OtherAudience);
            }
        }
        if let Some(issuer) = &self.issuer {
            if claims.text("iss")?.as_deref() != Some(&**issuer) {
                return Err(TokenError::OtherIssuer);
            }
        }
        // A revocation until `exp` counts as long as the leeway lets the token live.
        let by_slow_clocks = now.checked_sub(self.leeway).unwrap_or(SystemTime::UNIX_EPOCH);
        let revoked = |revocations: &Revocations| {
            let id = common.id.as_deref();
            revocations.is_revoked(id, &common.user, common.issued, by_slow_clocks)
        };
        if self.revocations.as_ref().is_some_and(revoked) {
            return Err(TokenError::Revoked);
        }
        Ok(common)
    }
}
