//! Tokens of a client that has connected.

use std::collections::HashSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use super::super::{Refusal, close};
use super::admission::{of_connection, of_room, ttl_until};
use super::{Client, Rejection};
use crate::core::RoomName;
use crate::token::RoomClaims;

impl<S: Send + Sync + 'static> Client<S> {
    /// Replaces the token of the connection. Returns the time until the new one expires.
    pub(crate) fn refresh(&self, token: &str) -> Result<Option<Duration>, Rejection> {
        let tokens = self.config().tokens.as_ref().ok_or(Refusal::NOT_AVAILABLE)?;
        let claims = tokens.verify_connection(token, SystemTime::now());
        let claims = claims.map_err(|error| of_connection(&error))?;
        if claims.user.as_str() != self.user_name() {
            return Err(Rejection::Closed(close::frame(close::INVALID_TOKEN)));
        }
        let ttl = claims.expires.map(ttl_until);
        *self.token_rooms() = claims.rooms.into_iter().collect();
        self.set_expiry(ttl);
        Ok(ttl)
    }

    /// Replaces the token of a room that the client has joined; without `room`, of the room that
    /// the token names. Returns the time until the new one expires.
    pub(crate) fn refresh_room(
        &self,
        room: Option<&RoomName>,
        token: &str,
    ) -> Result<Option<Duration>, Refusal> {
        let claims = self.verify_room(token, room)?.ok_or(Refusal::NOT_AVAILABLE)?;
        let ttl = claims.expires.map(ttl_until);
        let expires_at = ttl.map(|ttl| self.deadline(ttl));
        if self.memberships.set_expiry(&claims.room, expires_at) {
            Ok(ttl)
        } else {
            Err(Refusal::PERMISSION_DENIED.because("the client has not joined this room"))
        }
    }

    /// Verifies the token of a room. Returns `None` without a token, or if the endpoint verifies
    /// none.
    pub(super) fn verify_room(
        &self,
        token: &str,
        room: Option<&RoomName>,
    ) -> Result<Option<RoomClaims>, Refusal> {
        let Some(tokens) = self.config().tokens.as_ref().filter(|_| !token.is_empty()) else {
            return Ok(None);
        };
        let claims = tokens.verify_room(token, SystemTime::now());
        let claims = claims.map_err(|error| of_room(&error))?;
        if room.is_some_and(|room| *room != claims.room) {
            return Err(Refusal::PERMISSION_DENIED.because("the token is of another room"));
        }
        if claims.user.as_str() != self.user_name() {
            return Err(Refusal::PERMISSION_DENIED.because("the token is of another user"));
        }
        Ok(Some(claims))
    }

    /// Returns the user as tokens name it: anonymous clients have the empty user. The application
    /// may have given the session another one.
    fn user_name(&self) -> &str {
        self.token_user.as_ref().map_or("", |user| user.as_str())
    }

    /// Returns the rooms that the token of the connection names.
    pub(super) fn token_rooms(&self) -> MutexGuard<'_, HashSet<RoomName>> {
        // No code panics while it holds the lock.
        self.token_rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn set_expiry(&self, ttl: Option<Duration>) {
        *self.expires_at() = ttl.map(|ttl| self.deadline(ttl));
    }

    /// Returns the time at which something is ended that expires in `ttl`.
    pub(super) fn deadline(&self, ttl: Duration) -> Instant {
        let now = Instant::now();
        let in_time = ttl.saturating_add(self.config().limits.expiry_grace);
        // A token may be valid for longer than the clock counts.
        now.checked_add(in_time).unwrap_or_else(|| now + MAX_EXPIRY)
    }

    pub(super) fn expires_at(&self) -> MutexGuard<'_, Option<Instant>> {
        // No code panics while it holds the lock.
        self.expires_at.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time after which a client is asked to refresh a token that is valid for longer than the
/// clock counts.
const MAX_EXPIRY: Duration = Duration::from_secs(365 * 24 * 3600);
