use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use sockeye::CloseFrame;

use super::super::{ConnectRequest, Endpoint, Refusal, close};
use crate::core::{RoomName, UserId};
use crate::token::TokenError;

/// The decision to let a client connect.
#[derive(Debug)]
pub(crate) struct Admission<S> {
    pub(super) state: S,
    pub(super) user: Option<UserId>,
    pub(super) token_user: Option<UserId>,
    pub(super) token_rooms: HashSet<RoomName>,
    pub(super) info: Bytes,
    pub(super) welcome: Welcome,
}

/// The reply to a client that has connected.
#[derive(Clone, Debug)]
pub(crate) struct Welcome {
    /// The application's data.
    pub(crate) data: Bytes,
    /// The rooms to [join](super::Client::join_by_server).
    pub(crate) rooms: Vec<RoomName>,
    /// The time until the connection expires.
    pub(crate) ttl: Option<Duration>,
}

/// The reason why a client does not get what it asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Rejection {
    /// The client is told.
    Refused(Refusal),
    /// The connection is closed.
    Closed(CloseFrame),
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl<S: Send + Sync + 'static> Admission<S> {
    /// Decides whether a client may connect, by its token and the application's hook. `request` is
    /// without the token's claims.
    pub(crate) async fn decide(
        endpoint: &Endpoint<S>,
        token: &str,
        mut request: ConnectRequest,
    ) -> Result<Self, Rejection> {
        let config = endpoint.config();
        let claims = match &config.tokens {
            Some(tokens) if !token.is_empty() => {
                let claims = tokens.verify_connection(token, SystemTime::now());
                Some(claims.map_err(|error| of_connection(&error))?)
            }
            _ if config.is_anonymous_allowed() => None,
            _ => return Err(Refusal::UNAUTHORIZED.into()),
        };
        request.user = claims.as_ref().map(|claims| claims.user.clone());
        request.claims.clone_from(&claims);

        let user = request.user.clone();
        let hook = async { (config.on_connect)(request).await };
        let panics = &endpoint.hub().shared().panics;
        let accepted = panics.contain_future("the connect hook of the endpoint", hook).await;
        let accepted = accepted.unwrap_or(Err(Refusal::INTERNAL))?;

        let (info, mut rooms, expires) = match claims {
            Some(claims) => (claims.info, claims.rooms, claims.expires),
            None => (Bytes::new(), Vec::new(), None),
        };
        let token_rooms = rooms.iter().cloned().collect();
        rooms.extend(accepted.rooms);
        rooms.sort_unstable();
        rooms.dedup();
        Ok(Self {
            state: accepted.state,
            token_user: user.clone().or_else(|| accepted.user.clone()),
            token_rooms,
            user: accepted.user.or(user),
            // It may be a part of the client's receive buffer, which it would keep.
            info: accepted.info.map_or(info, |info| Bytes::copy_from_slice(&info)),
            welcome: Welcome {
                data: accepted.data,
                rooms,
                ttl: accepted.expires.or(expires).map(ttl_until),
            },
        })
    }
}

/// Returns the time until a token expires, at least a second.
pub(super) fn ttl_until(expires: SystemTime) -> Duration {
    let left = expires.duration_since(SystemTime::now()).unwrap_or_default();
    left.max(Duration::from_secs(1))
}

/// Returns what an invalid token of a connection leads to.
pub(super) fn of_connection(error: &TokenError) -> Rejection {
    match error {
        TokenError::Expired { .. } => Refusal::TOKEN_EXPIRED.into(),
        TokenError::Revoked => Refusal::TOKEN_REVOKED.into(),
        _ => Rejection::Closed(close::frame(close::INVALID_TOKEN)),
    }
}

/// Returns what an invalid token of a room leads to.
pub(super) fn of_room(error: &TokenError) -> Refusal {
    match error {
        TokenError::Expired { .. } => Refusal::TOKEN_EXPIRED,
        TokenError::Revoked => Refusal::TOKEN_REVOKED,
        _ => Refusal::PERMISSION_DENIED.because("invalid token"),
    }
}
