use std::collections::HashMap;
use std::error::Error;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use super::TokenVerifier;
use crate::core::UserId;

/// The tokens that are refused although they have not expired: single ones by their identity, and
/// all of a user that were issued before a time. Clones share the entries.
///
/// Entries are kept in memory until the tokens that they refuse have expired, and
/// [`TokenVerifier::MAX_LEEWAY`] longer: a verifier refuses the tokens during its
/// [leeway](TokenVerifier::leeway) too. They are of this process:
/// [`Hub::revoke_token`](crate::Hub::revoke_token) and
/// [`Hub::revoke_user`](crate::Hub::revoke_user) enter them on all nodes. A revocation does not end
/// connections: see [`Hub::close`](crate::Hub::close).
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use sockeye_hub::core::UserId;
/// use sockeye_hub::token::Revocations;
///
/// # fn main() -> Result<(), sockeye_hub::token::RevocationError> {
/// let revocations = Revocations::new();
/// let now = SystemTime::now();
/// // The application's tokens are valid for one hour.
/// let until = now + Duration::from_secs(3600);
/// revocations.revoke_token("c0ffee", until, now)?;
/// revocations.revoke_user(&UserId::new("eve"), now, until, now)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Revocations {
    capacity: usize,
    entries: Arc<Mutex<Entries>>,
}

#[derive(Debug, Default)]
struct Entries {
    /// The time until which each token is refused.
    tokens: HashMap<Box<str>, SystemTime>,
    users: HashMap<UserId, RevokedUser>,
    /// The number of entries at which expired ones are removed.
    sweep_at: usize,
}

/// A revocation, as nodes tell it to each other.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Revocation {
    Token { id: Box<str>, until: SystemTime },
    User { user: UserId, issued_before: SystemTime, until: SystemTime },
}

#[derive(Clone, Copy, Debug)]
struct RevokedUser {
    issued_before: SystemTime,
    until: SystemTime,
}

/// The reason why a revocation was not entered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RevocationError {
    /// The maximum number of entries is reached, and none has expired.
    Full {
        /// The maximum number of entries.
        capacity: usize,
    },
    /// The identity is longer than [`Revocations::MAX_ID`].
    IdTooLong {
        /// The length of the identity in bytes.
        length: usize,
    },
}

impl Revocations {
    /// The maximum length of the identity of a token or user in bytes.
    pub const MAX_ID: usize = 1_024;

    /// The number of entries that [`new`](Self::new) takes.
    pub const DEFAULT_CAPACITY: usize = 100_000;

    /// The number of entries below which expired ones are not removed.
    const MIN_SWEEP: usize = 64;

    /// Creates an empty list for 100,000 entries.
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// Creates an empty list for up to `capacity` entries, for which no memory is reserved.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { capacity, entries: Arc::default() }
    }

    /// Refuses the token with this claim `jti` until a time, by which the token has expired.
    ///
    /// # Errors
    /// [`RevocationError`]. The token is not revoked then.
    pub fn revoke_token(
        &self,
        id: &str,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<(), RevocationError> {
        check_id(id)?;
        let mut entries = self.lock();
        if let Some(present) = entries.tokens.get_mut(id) {
            *present = until.max(*present);
            return Ok(());
        }
        self.make_space(&mut entries, now)?;
        entries.tokens.insert(id.into(), until);
        Ok(())
    }

    /// Refuses the tokens of a user that were issued before a time, and those that do not tell when
    /// they were issued, until a time by which all of them have expired. A second revocation of the
    /// user extends the first one.
    ///
    /// # Errors
    /// [`RevocationError`]. No token is revoked then.
    pub fn revoke_user(
        &self,
        user: &UserId,
        issued_before: SystemTime,
        until: SystemTime,
        now: SystemTime,
    ) -> Result<(), RevocationError> {
        check_id(user.as_str())?;
        let mut entries = self.lock();
        if let Some(present) = entries.users.get_mut(user) {
            present.issued_before = issued_before.max(present.issued_before);
            present.until = until.max(present.until);
            return Ok(());
        }
        self.make_space(&mut entries, now)?;
        entries.users.insert(user.clone(), RevokedUser { issued_before, until });
        Ok(())
    }

    pub(crate) fn enter(
        &self,
        revocation: &Revocation,
        now: SystemTime,
    ) -> Result<(), RevocationError> {
        match revocation {
            Revocation::Token { id, until } => self.revoke_token(id, *until, now),
            Revocation::User { user, issued_before, until } => {
                self.revoke_user(user, *issued_before, *until, now)
            }
        }
    }

    /// Returns whether a token with these claims is revoked at a time. A verifier that accepts
    /// tokens for some time after `exp` asks for a time that is as much earlier.
    pub fn is_revoked(
        &self,
        id: Option<&str>,
        user: &UserId,
        issued: Option<SystemTime>,
        now: SystemTime,
    ) -> bool {
        let entries = self.lock();
        let token = id.and_then(|id| entries.tokens.get(id));
        let user = entries.users.get(user).filter(|user| now < user.until);
        token.is_some_and(|until| now < *until)
            || user.is_some_and(|user| issued.is_none_or(|issued| issued < user.issued_before))
    }

    /// Returns the number of entries, expired ones that are not removed yet included.
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Returns whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Removes expired entries if the list has grown to twice what it was after the last time, or
    /// is full.
    fn make_space(&self, entries: &mut Entries, now: SystemTime) -> Result<(), RevocationError> {
        if entries.len() >= entries.sweep_at.max(Self::MIN_SWEEP) || entries.len() >= self.capacity
        {
            let leeway = TokenVerifier::MAX_LEEWAY;
            let expired = now.checked_sub(leeway).unwrap_or(SystemTime::UNIX_EPOCH);
            entries.tokens.retain(|_, until| expired < *until);
            entries.users.retain(|_, user| expired < user.until);
            entries.sweep_at = entries.len().saturating_mul(2);
        }
        if entries.len() >= self.capacity {
            return Err(RevocationError::Full { capacity: self.capacity });
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Entries> {
        // No code panics while it holds the lock.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Revocations {
    fn default() -> Self {
        Self::new()
    }
}

impl Entries {
    fn len(&self) -> usize {
        self.tokens.len() + self.users.len()
    }
}

fn check_id(id: &str) -> Result<(), RevocationError> {
    if id.len() <= Revocations::MAX_ID {
        Ok(())
    } else {
        Err(RevocationError::IdTooLong { length: id.len() })
    }
}

impl fmt::Display for RevocationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full { capacity } => write!(f, "there are {capacity} revocations already"),
            Self::IdTooLong { length } => {
                write!(f, "an identity of {length} bytes is longer than {}", Revocations::MAX_ID)
            }
        }
    }
}

impl Error for RevocationError {}
