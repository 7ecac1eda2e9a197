//! The operations of one client in a hub, which all protocols share. A protocol decodes
//! commands, calls these, and encodes their results.

mod admission;
mod history;
mod refresh;

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use sockeye::{CloseFrame, Message, WebSocket};
use tokio::time::Instant;

use super::builder::Config;
use super::memberships::{Membership, Memberships};
use super::presented::Presented;
use super::{Endpoint, Refusal, close};
use crate::core::filter::Filter;
use crate::core::history::GapReason;
use crate::core::presence::{Member, PresenceCounts, PresencePage};
use crate::core::{Position, Publication, RoomName, SessionId, UserId};
use crate::encoder::Encoder;
use crate::hub::{JoinNotice, JoinReply, SessionOptions, Shared};
use crate::join::{JoinOptions, Joined};
use crate::namespaces::{Access, Rules};
use crate::session::{Session, SessionHandle};

pub(crate) use super::memberships::AfterGap;
pub(crate) use admission::{Admission, Rejection, Welcome};
pub(crate) use history::HistoryRequest;

/// The maximum length of the infos and users in a list of members, in bytes. Chosen: half of what
/// the outbox of a session takes of replies by default.
const MAX_MEMBER_BYTES: usize = 512 << 10;

/// A client: its session, and what its tokens allow.
pub(crate) struct Client<S> {
    endpoint: Endpoint<S>,
    session: SessionHandle<S>,
    /// The data that other members see of the client.
    info: Bytes,
    memberships: Arc<Memberships>,
    /// The user that the client's token names; without a token, the user of the session.
    token_user: Option<UserId>,
    /// The rooms that the token of the connection names.
    token_rooms: Mutex<HashSet<RoomName>>,
    /// The time at which the connection is closed, unless the client refreshes its token.
    expires_at: Mutex<Option<Instant>>,
}

/// A client's request to join a room.
#[derive(Debug)]
pub(crate) struct JoinRequest {
    pub(crate) room: RoomName,
    /// The token of the room, or empty.
    pub(crate) token: String,
    pub(crate) from: Option<Presented>,
    pub(crate) filter: Option<Filter>,
    /// The data that the other members see; `None` for the info of the token.
    pub(crate) info: Option<Bytes>,
    /// `true` to tell the client who joins and leaves.
    pub(crate) presence: bool,
    /// `true` to join only if everything since `from` can be recovered.
    pub(crate) refuse_gap: bool,
}

impl JoinRequest {
    /// Creates a request to join at the current position.
    pub(crate) fn new(room: RoomName) -> Self {
        Self {
            room,
            token: String::new(),
            from: None,
            filter: None,
            info: None,
            presence: true,
            refuse_gap: false,
        }
    }
}

/// Encodes the reply to a join while the room is locked: see [`JoinReply`]. Its arguments are the
/// outcome and the time until the room's token expires.
pub(crate) type EncodeJoin = Box<
    dyn FnOnce(&JoinNotice<'_>, Option<Duration>) -> Result<Option<Message>, CloseFrame> + Send,
>;

/// The outcome of a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entered {
    /// The notice or reply was sent. The client is in the room, unless the hub has told it
    /// otherwise since.
    Joined,
    /// The notice or reply was sent, but the token of the room has expired meanwhile: the client
    /// has left again, and has yet to be told.
    Expired,
}

/// Something of a client that has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Expired {
    /// The client has left the room.
    Room(RoomName),
    /// The connection is closing.
    Connection,
}

impl<S: Send + Sync + 'static> Client<S> {
    /// Makes the connection of an admitted client a session. A `corked` session sends nothing until
    /// [`uncork`](SessionHandle::uncork).
    pub(crate) fn connect(
        endpoint: &Endpoint<S>,
        ws: WebSocket,
        admission: Admission<S>,
        encoder: Arc<dyn Encoder>,
        after_gap: AfterGap,
        corked: bool,
    ) -> (Session<S>, Arc<Self>, Welcome) {
        let Admission { state, user, token_user, token_rooms, info, welcome } = admission;
        let namespaces = endpoint.config().namespaces.clone();
        let has_user = user.is_some();
        let memberships = Arc::new(Memberships::new(after_gap, namespaces, has_user));
        let mut options =
            SessionOptions::new().encoder(encoder).observer(memberships.clone()).corked(corked);
        if let Some(user) = user {
            options = options.user(user);
        }
        let session = endpoint.hub().connect_with(ws, state, options);
        let client = Self {
            endpoint: endpoint.clone(),
            session: session.handle(),
            info,
            memberships,
            token_user,
            token_rooms: Mutex::new(token_rooms),
            expires_at: Mutex::default(),
        };
        client.set_expiry(welcome.ttl);
        (session, Arc::new(client), welcome)
    }

    pub(crate) fn session(&self) -> &SessionHandle<S> {
        &self.session
    }

    pub(crate) fn config(&self) -> &Config<S> {
        self.endpoint.config()
    }

    fn hub(&self) -> &Arc<Shared<S>> {
        self.endpoint.hub().shared()
    }

    /// Joins a room. Without `encode`, the session receives the notice of its encoder, and then
    /// what it recovers. With `encode`, it receives what that returns, which contains the first
    /// recovered publications.
    ///
    /// On success, the notice or reply was sent. With [`JoinRequest::refuse_gap`], the client is in
    /// the room only if the recovery is not a gap.
    pub(crate) async fn join(
        &self,
        request: JoinRequest,
        encode: Option<EncodeJoin>,
    ) -> Result<Entered, Refusal> {
        let JoinRequest { room, token, from, filter, info, presence, refuse_gap } = request;
        if self.session.is_in(&room) {
            return Err(Refusal::ALREADY_JOINED);
        }
        let claims = self.verify_room(&token, Some(&room))?;
        let granted = claims.is_some() || self.token_rooms().contains(&room);
        self.check(&room, granted, |rules| rules.join)?;

        let ttl = claims.as_ref().and_then(|claims| claims.expires).map(admission::ttl_until);
        let from_token = || claims.map(|claims| claims.info).filter(|info| !info.is_empty());
        let info = info.or_else(from_token).unwrap_or_else(|| self.info.clone());
        let presence = presence && self.memberships.sees_presence(&room, granted);
        let mut options = JoinOptions::new().info(info).presence(presence);
        if let Some(filter) = filter {
            options = options.filter(filter);
        }
        let membership =
            Membership { by_client: true, granted, expires_at: ttl.map(|ttl| self.deadline(ttl)) };
        self.memberships.set(&room, Some(membership));
        let reply = encode.map(|encode| {
            let reply = JoinReply::new(move |notice| encode(notice, ttl));
            if refuse_gap { reply.refuse_gap() } else { reply }
        });
        let entered = self.enter(&room, from, options, granted, true, reply).await;
        let joined = entered.inspect_err(|_| self.memberships.set(&room, None))?;
        if joined.already {
            // The server has made the client join meanwhile.
            self.memberships.set(&room, None);
            return Err(Refusal::ALREADY_JOINED);
        }
        if refuse_gap && joined.is_gap() {
            self.memberships.set(&room, None);
            return Ok(Entered::Joined);
        }
        // The membership has ended before the client was in the room, which nobody has told it.
        if self.memberships.of(&room).is_none() && self.leave(&room) {
            return Ok(Entered::Expired);
        }
        Ok(Entered::Joined)
    }

    /// Joins a room that the server has chosen for the client's connection.
    pub(crate) async fn join_by_server(
        &self,
        room: &RoomName,
        from: Option<Presented>,
        encode: Option<EncodeJoin>,
    ) -> Result<Joined, Refusal> {
        let membership = Membership { by_client: false, granted: true, expires_at: None };
        self.memberships.set(room, Some(membership));
        let presence = self.memberships.sees_presence(room, true);
        let options = JoinOptions::new().info(self.info.clone()).presence(presence);
        let reply = encode.map(|encode| JoinReply::new(move |notice| encode(notice, None)));
        let joined = self.enter(room, from, options, true, false, reply).await;
        joined.inspect_err(|_| self.memberships.set(room, None))
    }

    async fn enter(
        &self,
        room: &RoomName,
        from: Option<Presented>,
        mut options: JoinOptions,
        granted: bool,
        authorize: bool,
        reply: Option<JoinReply>,
    ) -> Result<Joined, Refusal> {
        match self.resolve(room, from, granted).await? {
            Some(position) => options = options.from(position),
            None if from.is_some() && reply.as_ref().is_some_and(JoinReply::refuses_gap) => {
                return Err(Refusal::UNRECOVERABLE_POSITION);
            }
            None => {}
        }
        Ok(self.session.join_as(room, options, authorize, reply).await?)
    }

    /// Leaves a room. Returns whether the client was in it.
    pub(crate) fn leave(&self, room: &RoomName) -> bool {
        self.session.leave_silently(room)
    }

    pub(crate) async fn publish(
        &self,
        room: &RoomName,
        publication: Publication,
    ) -> Result<Option<Position>, Refusal> {
        self.check_member(room, |rules| rules.publish)?;
        Ok(self.session.publish_with(room, publication).await?)
    }

    /// Lists members of a room with presence. A page ends early where it would exceed
    /// [`MAX_MEMBER_BYTES`].
    pub(crate) fn members(
        &self,
        room: &RoomName,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<PresencePage<Member, SessionId>, Refusal> {
        self.check_presence(room)?;
        let mut page = self.endpoint.hub().room(room).presence(after, limit)?;
        let mut bytes = 0;
        let mut fits = |member: &Member| {
            let user = member.profile.user.as_ref().map_or(0, |user| user.as_str().len());
            bytes += member.profile.info.len() + user;
            bytes <= MAX_MEMBER_BYTES
        };
        let fitting = page.items.iter().take_while(|member| fits(member)).count().max(1);
        if fitting < page.items.len() {
            page.items.truncate(fitting);
            page.next = page.items.last().map(|member| member.session);
        }
        Ok(page)
    }

    /// Lists users of a room with presence.
    pub(crate) fn users(
        &self,
        room: &RoomName,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<PresencePage<UserId, UserId>, Refusal> {
        self.check_presence(room)?;
        Ok(self.endpoint.hub().room(room).users(after, limit)?)
    }

    /// Counts the members of a room with presence.
    pub(crate) fn counts(&self, room: &RoomName) -> Result<PresenceCounts, Refusal> {
        self.check_presence(room)?;
        Ok(self.endpoint.hub().room(room).counts()?)
    }

    /// Counts the members of a room with presence as centrifuge does.
    pub(crate) fn counts_with_anonymous(&self, room: &RoomName) -> Result<PresenceCounts, Refusal> {
        self.check_presence(room)?;
        Ok(self.endpoint.hub().room(room).counts_with_anonymous()?)
    }

    /// Replaces what other members see of the client.
    pub(crate) fn update(&self, room: &RoomName, info: &[u8]) -> Result<(), Refusal> {
        Ok(self.session.update_presence(room, info)?)
    }

    /// Calls a method of the application.
    pub(crate) async fn rpc(&self, method: String, data: Bytes) -> Result<Bytes, Refusal> {
        let hook = self.config().on_rpc.as_ref().ok_or(Refusal::NOT_AVAILABLE)?;
        // The function may panic before it returns its future.
        let answer = async { hook(self.session.clone(), method, data).await };
        let answer = self.hub().panics.contain_future("the RPC hook", answer).await;
        answer.unwrap_or(Err(Refusal::INTERNAL))
    }

    /// Passes a message to the application.
    pub(crate) fn message(&self, message: Message) {
        if let Some(hook) = &self.config().on_message {
            self.hub().panics.contain("the message hook of the endpoint", || {
                hook(&self.session, message);
            });
        }
    }

    /// Returns the next time at which to call [`on_timeout`](Self::on_timeout).
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        let expires_at = *self.expires_at();
        expires_at.into_iter().chain(self.memberships.next_expiry()).min()
    }

    /// Ends what has expired: the client leaves rooms, or is disconnected.
    pub(crate) fn on_timeout(&self, now: Instant) -> Vec<Expired> {
        if self.expires_at().is_some_and(|expires_at| expires_at <= now) {
            self.close(close::frame(close::EXPIRED));
            return vec![Expired::Connection];
        }
        let rooms = self.memberships.take_expired(now).into_iter();
        rooms.filter(|room| self.leave(room)).map(Expired::Room).collect()
    }

    pub(crate) fn close(&self, frame: CloseFrame) {
        self.session.shared().connection.close(frame);
    }

    fn check_presence(&self, room: &RoomName) -> Result<(), Refusal> {
        self.check_reader(room, |rules| rules.presence)?;
        if self.hub().options(room)?.presence { Ok(()) } else { Err(Refusal::NOT_AVAILABLE) }
    }

    /// Checks an operation that reads what members of a room see. With a hook that authorises
    /// joins, only members may read: the hook has not decided about others.
    fn check_reader(
        &self,
        room: &RoomName,
        access: impl FnOnce(&Rules) -> Access,
    ) -> Result<(), Refusal> {
        if self.hub().hooks.authorize_join.is_some() && !self.session.is_in(room) {
            return Err(Refusal::PERMISSION_DENIED);
        }
        self.check_member(room, access)
    }

    /// Checks an operation for which a token of the room counts while the client is in the room.
    fn check_member(
        &self,
        room: &RoomName,
        access: impl FnOnce(&Rules) -> Access,
    ) -> Result<(), Refusal> {
        let granted = self.memberships.of(room).is_some_and(|membership| membership.granted)
            || (self.token_rooms().contains(room) && self.session.is_in(room));
        self.check(room, granted, access)
    }

    fn check(
        &self,
        room: &RoomName,
        granted: bool,
        access: impl FnOnce(&Rules) -> Access,
    ) -> Result<(), Refusal> {
        let Some(namespaces) = &self.config().namespaces else { return Ok(()) };
        let access = access(namespaces.rules(room));
        let allowed = self.memberships.allows_member(access, granted)
            && (access != Access::Member || self.session.is_in(room));
        if allowed { Ok(()) } else { Err(Refusal::PERMISSION_DENIED) }
    }
}

impl<S> fmt::Debug for Client<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("session", &self.session)
            .field("memberships", &self.memberships)
            .finish_non_exhaustive()
    }
}
