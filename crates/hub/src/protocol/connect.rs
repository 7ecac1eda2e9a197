use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::time::SystemTime;

use bytes::Bytes;
use sockeye::upgrade::UpgradeRequest;

use super::Protocol;
use crate::core::{RoomName, UserId};
use crate::token::ConnectionClaims;

/// A client's request to connect, after its token was verified: see
/// [`EndpointBuilder::on_connect`](super::EndpointBuilder::on_connect).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectRequest {
    /// The protocol that the client speaks.
    pub protocol: Protocol,
    /// The user that the token names; `None` for anonymous clients.
    pub user: Option<UserId>,
    /// The claims of the token, if the endpoint verifies tokens and the client presented one.
    pub claims: Option<ConnectionClaims>,
    /// The client's data for the application: JSON in JSON encodings.
    pub data: Bytes,
    /// The name that the client gives itself, such as `js`.
    pub name: String,
    /// The version that the client gives itself.
    pub version: String,
    /// The headers that the client adds in place of HTTP headers, which browsers do not let it
    /// set. They are as trustworthy as `data`.
    pub headers: BTreeMap<String, String>,
    /// The client's address.
    pub peer_addr: Option<SocketAddr>,
    /// The request that became the connection, on a server that
    /// [keeps](sockeye::upgrade::Options::keep_request) it.
    pub upgrade: Option<UpgradeRequest>,
}

/// The decision to let a client connect.
///
/// ```
/// use sockeye_hub::protocol::Accepted;
///
/// struct Player {
///     level: u32,
/// }
///
/// let accepted = Accepted::new(Player { level: 1 }).data(r#"{"motd":"welcome"}"#);
/// # let _ = accepted;
/// ```
pub struct Accepted<S = ()> {
    pub(crate) state: S,
    pub(crate) user: Option<UserId>,
    pub(crate) info: Option<Bytes>,
    pub(crate) data: Bytes,
    pub(crate) rooms: Vec<RoomName>,
    pub(crate) expires: Option<SystemTime>,
}

impl<S> Accepted<S> {
    /// Accepts a client as its token describes it, with the application's state of its session.
    pub fn new(state: S) -> Self {
        Self { state, user: None, info: None, data: Bytes::new(), rooms: Vec::new(), expires: None }
    }

    /// Sets the user. Default: the one that the token names.
    pub fn user(self, user: UserId) -> Self {
        Self { user: Some(user), ..self }
    }

    /// Sets what other members see of the client in rooms with presence; JSON, where clients of
    /// JSON encodings see it. Default: the info of the token.
    pub fn info(self, info: impl Into<Bytes>) -> Self {
        Self { info: Some(info.into()), ..self }
    }

    /// Sets the data of the reply, for the client; JSON in JSON encodings. Default: none.
    pub fn data(self, data: impl Into<Bytes>) -> Self {
        Self { data: data.into(), ..self }
    }

    /// Makes the client join a room, beside those that the token names.
    pub fn join(mut self, room: RoomName) -> Self {
        self.rooms.push(room);
        self
    }

    /// Sets the time at which the connection expires unless the client refreshes its token.
    /// Default: the expiry of the token.
    pub fn expires(self, at: SystemTime) -> Self {
        Self { expires: Some(at), ..self }
    }
}

impl<S> fmt::Debug for Accepted<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Accepted")
            .field("user", &self.user)
            .field("rooms", &self.rooms)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}
