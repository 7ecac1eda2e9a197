use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use sockeye::{CloseCode, CloseFrame, Error, Message, Prepared};
use tokio::task::JoinSet;

use super::{Delivered, SessionMetrics, SessionShared, spawn_pump};
use crate::core::filter::{Filter, FilterError};
use crate::core::{Position, Publication, RoomKey, RoomName, RoomNameError, SessionId, UserId};
use crate::disconnect::Disconnect;
use crate::error::{Denied, HubError, Result};
use crate::hub::{Rooms, Shared};
use crate::join::{JoinOptions, Joined};
use crate::to_room_name::ToRoomName;

/// The number of rooms that [`SessionHandle::join_all`] joins at a time. Chosen: with it, the joins
/// of a client of 128 rooms take four round trips to a broker.
const JOINS_AT_A_TIME: usize = 32;

/// A handle to a session, for any task: its rooms, its messages, its end. Clones are cheap, and do
/// not keep the session alive.
pub struct SessionHandle<S = ()> {
    hub: Arc<Shared<S>>,
    shared: Arc<SessionShared<S>>,
}

impl<S> SessionHandle<S> {
    pub(crate) fn new(hub: Arc<Shared<S>>, shared: Arc<SessionShared<S>>) -> Self {
        Self { hub, shared }
    }

    pub(super) fn hub(&self) -> &Arc<Shared<S>> {
        &self.hub
    }

    pub(crate) fn shared(&self) -> &Arc<SessionShared<S>> {
        &self.shared
    }

    /// Returns the identity of the session.
    pub fn id(&self) -> SessionId {
        self.shared.id
    }

    /// Returns the session's user, if it has one.
    pub fn user(&self) -> Option<&UserId> {
        self.shared.user.as_ref()
    }

    /// Returns the application's state of the session.
    pub fn state(&self) -> &S {
        &self.shared.state
    }

    /// Returns whether the session has ended, or its connection is closing.
    pub fn is_closed(&self) -> bool {
        self.shared.is_over() || self.shared.connection.is_closing()
    }

    /// Returns the rooms that the session is in.
    pub fn rooms(&self) -> Vec<RoomName> {
        let rooms = self.hub.rooms();
        // The slot of a session that has ended may be another's by now.
        if self.shared.is_over() { Vec::new() } else { rooms.rooms_of(self.shared.member()) }
    }

    /// Returns what waits for the session, and what became of what waited.
    pub fn metrics(&self) -> SessionMetrics {
        self.shared.connection.metrics()
    }

    /// Replaces the data that the other members of a room with presence see of the session.
    ///
    /// # Errors
    /// [`HubError::RoomName`], [`HubError::Presence`] if the session is not in the room, the room
    /// has no presence, or the data is too long.
    pub fn update_presence(&self, room: impl ToRoomName, info: &[u8]) -> Result<()> {
        Ok(self.hub.update_presence(&self.shared, &room.to_room_name()?, info)?)
    }

    /// Replaces the session's [filter](JoinOptions::filter) in a room, or removes it. A filter that
    /// the server [forces](crate::JoinTerms::filter) stays. Returns whether the session is in the
    /// room. Messages that already wait for the connection are still sent.
    ///
    /// # Errors
    /// [`HubError::RoomName`], and [`HubError::Filter`] if the filter is too large together with
    /// the one of the server. Nothing has changed then.
    pub fn set_filter(&self, room: impl ToRoomName, filter: Option<Arc<Filter>>) -> Result<bool> {
        let room = room.to_room_name()?;
        self.change_filter(&room, |rooms, key| rooms.set_filter(self.shared.member(), key, filter))
    }

    /// Replaces the filter that the server [forces](crate::JoinTerms::filter) on the session in a
    /// room, or removes it. The session's own filter stays. Returns whether the session is in the
    /// room.
    ///
    /// # Errors
    /// Same as [`set_filter`](Self::set_filter).
    pub fn force_filter(&self, room: impl ToRoomName, filter: Option<Arc<Filter>>) -> Result<bool> {
        let room = room.to_room_name()?;
        self.change_filter(&room, |rooms, key| {
            rooms.force_filter(self.shared.member(), key, filter)
        })
    }

    fn change_filter(
        &self,
        room: &RoomName,
        change: impl FnOnce(&mut Rooms, RoomKey) -> Result<bool, FilterError>,
    ) -> Result<bool> {
        let mut rooms = self.hub.rooms();
        // The slot of a session that has ended may be another's by now.
        if self.shared.is_over() {
            return Ok(false);
        }
        match rooms.key(room) {
            Some(key) => Ok(change(&mut rooms, key)?),
            None => Ok(false),
        }
    }

    /// Closes the connection after the messages that wait. Returns whether this call closed it.
    ///
    /// # Errors
    /// [`HubError::Usage`] for a code that must not be sent or a reason of more than 123 bytes.
    pub fn close(&self, code: impl Into<CloseCode>, reason: &str) -> Result<bool> {
        let frame = CloseFrame::new(code, reason.to_owned())?;
        Ok(self.shared.connection.close(frame))
    }

    /// Sends a ping and returns the time until its pong. Only for connections with a split sender.
    ///
    /// # Errors
    /// [`HubError::Closed`] when the connection ends before the pong, or has no split sender.
    pub async fn ping(&self) -> Result<Duration> {
        let sender = self.shared.connection.sender().ok_or(HubError::Closed)?;
        let rtt = sender.ping().await.map_err(|_| HubError::Closed)?;
        self.on_pong(rtt);
        Ok(rtt)
    }

    /// Ends the session: it leaves its rooms, and the disconnect hook is called. For sessions of
    /// [`Hub::attach`](crate::Hub::attach), whose connections the program drives itself; does
    /// nothing if the session has ended.
    pub fn end(&self, reason: &Disconnect) {
        if self.shared.end() {
            self.hub.on_end(&self.shared);
            if let Some(hook) = &self.hub.hooks.disconnect {
                self.call_hook("the disconnect hook", || hook(self, reason));
            }
        }
    }

    pub(super) fn on_dropped(&self) {
        let closed = self.shared.connection.closed();
        self.end(&closed.map_or(Disconnect::Dropped, Disconnect::Server));
    }

    /// Calls the hook for a message of the client: for sessions of
    /// [`Hub::attach`](crate::Hub::attach).
    pub fn on_message(&self, message: &Message) {
        if let Some(hook) = &self.hub.hooks.message {
            self.call_hook("the message hook", || hook(self, message));
        }
    }

    /// Calls the hook for a ping that the client has answered: for sessions of
    /// [`Hub::attach`](crate::Hub::attach).
    pub fn on_pong(&self, rtt: Duration) {
        if let Some(hook) = &self.hub.hooks.pong {
            self.call_hook("the pong hook", || hook(self, rtt));
        }
    }

    pub(super) fn on_error(&self, error: &Error) {
        if let Some(hook) = &self.hub.hooks.error {
            self.call_hook("the error hook", || hook(self, error));
        }
    }

    /// Calls a hook for the session, whose connection is closed with 1011 if the hook panics.
    pub(crate) fn call_hook(&self, name: &'static str, call: impl FnOnce()) {
        if self.hub.panics.contain(name, call).is_none() {
            self.shared.connection.fail();
        }
    }

    /// Awaits the decision of a hook about the session, like [`call_hook`](Self::call_hook).
    pub(crate) async fn decide<T>(
        &self,
        name: &'static str,
        verdict: impl Future<Output = Result<T, Denied>>,
    ) -> Result<T> {
        let Some(verdict) = self.hub.panics.contain_future(name, verdict).await else {
            self.shared.connection.fail();
            return Err(HubError::Panicked);
        };
        Ok(verdict?)
    }
}

impl<S: Send + Sync + 'static> SessionHandle<S> {
    /// Joins a room and returns its position: the session receives every publication after it.
    /// Joining a room again returns the current position.
    ///
    /// # Errors
    /// [`HubError::RoomName`], [`HubError::Denied`], [`HubError::TooManyRooms`],
    /// [`HubError::Closed`], [`HubError::Bus`], [`HubError::Panicked`]. The session is not in the
    /// room then.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session may have joined the room.
    pub async fn join(&self, room: impl ToRoomName) -> Result<Joined> {
        self.join_with(room, JoinOptions::new()).await
    }

    /// Joins a room like [`join`](Self::join), from a position or with a filter.
    ///
    /// # Errors
    /// Same as [`join`](Self::join), and [`HubError::NoHistory`] for a position in a room without
    /// history.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session may have joined the room.
    pub async fn join_with(&self, room: impl ToRoomName, options: JoinOptions) -> Result<Joined> {
        self.join_room(room.to_room_name(), options).await
    }

    /// Joins rooms, up to 32 at a time, and returns the result of each, in the order of the rooms.
    /// With a bus to a broker, the rooms share its round trips. The client may be notified of the
    /// rooms in another order.
    ///
    /// # Cancel safety
    /// If the future is dropped, the session may have joined some of the rooms.
    pub async fn join_all<R: ToRoomName>(
        &self,
        rooms: impl IntoIterator<Item = R>,
    ) -> Vec<Result<Joined>> {
        self.join_all_with(rooms.into_iter().map(|room| (room, JoinOptions::new()))).await
    }

    /// Joins rooms like [`join_all`](Self::join_all), each as [`join_with`](Self::join_with) does.
    ///
    /// # Cancel safety
    /// Same as [`join_all`](Self::join_all).
    pub async fn join_all_with<R: ToRoomName>(
        &self,
        rooms: impl IntoIterator<Item = (R, JoinOptions)>,
    ) -> Vec<Result<Joined>> {
        let rooms = rooms.into_iter().map(|(room, options)| (room.to_room_name(), options));
        let rooms: Vec<_> = rooms.collect();
        let mut joined: Vec<_> = rooms.iter().map(|_| Err(HubError::Panicked)).collect();
        let mut rooms = rooms.into_iter().enumerate();
        let mut joins = JoinSet::new();
        loop {
            while joins.len() < JOINS_AT_A_TIME {
                let Some((index, (room, options))) = rooms.next() else { break };
                let session = self.clone();
                joins.spawn(async move { (index, session.join_room(room, options).await) });
            }
            match joins.join_next().await {
                Some(Ok((index, result))) => joined[index] = result,
                // A task that panicked: its result stays.
                Some(Err(_)) => {}
                None => return joined,
            }
        }
    }

    /// Leaves a room, and notifies the client if its protocol has such a notice. Returns whether
    /// the session was in the room. Publications of the room that still wait for the connection are
    /// removed.
    ///
    /// # Errors
    /// [`HubError::RoomName`].
    pub fn leave(&self, room: impl ToRoomName) -> Result<bool> {
        let room = room.to_room_name()?;
        Ok(self.hub.leave_and_tell(&self.shared, &room))
    }

    async fn join_room(
        &self,
        room: Result<RoomName, RoomNameError>,
        options: JoinOptions,
    ) -> Result<Joined> {
        self.hub.join(self, &room?, options).await
    }

    /// Publishes a message to a room as this session, which need not be a member. Returns the
    /// position, in rooms with history.
    ///
    /// # Errors
    /// [`HubError::RoomName`], [`HubError::Denied`], [`HubError::Bus`], [`HubError::Panicked`].
    pub async fn publish(
        &self,
        room: impl ToRoomName,
        message: impl Into<Message>,
    ) -> Result<Option<Position>> {
        self.publish_with(room, Publication::new(message.into())).await
    }

    /// Publishes a publication as this session, with tags and with an id: see
    /// [`Room::publish_with`](crate::Room::publish_with).
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn publish_with(
        &self,
        room: impl ToRoomName,
        publication: Publication,
    ) -> Result<Option<Position>> {
        let room = room.to_room_name()?;
        let user = self.shared().user.clone();
        let publication = Publication { publisher: Some(self.id()), user, ..publication };
        if let Some(authorize) = &self.hub.hooks.authorize_publish {
            let message = publication.message.clone();
            // The function may panic before it returns its future.
            let verdict = async { authorize(self.clone(), room.clone(), message).await };
            self.decide("the hook that authorises publications", verdict).await?;
        }
        self.hub.publish(&room, publication).await
    }

    /// Sends a message to the client, [in its protocol](crate::Encoder::message); waits while too
    /// much waits for the connection already.
    ///
    /// # Errors
    /// [`HubError::Closed`], [`HubError::Panicked`] if the encoder panics.
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits, the message was not queued.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let message = self.encode(&message.into())?;
        let connection = &self.shared.connection;
        loop {
            if self.is_closed() {
                return Err(HubError::Closed);
            }
            if let Some(delivered) = connection.try_reply(&message) {
                self.on_replied(&message, delivered);
                return Ok(());
            }
            connection.wait_for(|| connection.has_capacity(message.len())).await;
        }
    }

    /// Sends a message to the client, in its protocol, without waiting. Such messages are never
    /// dropped: if more than
    /// [`OutboxLimits::reply_bytes`](crate::core::outbox::OutboxLimits::reply_bytes) wait, the
    /// connection is closed with 1013.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    pub fn try_send(&self, message: impl Into<Message>) -> Result<()> {
        if self.is_closed() {
            return Err(HubError::Closed);
        }
        let message = self.encode(&message.into())?;
        self.on_replied(&message, self.shared.connection.reply(&message));
        Ok(())
    }

    /// Encodes a message by the protocol of the session.
    fn encode(&self, message: &Message) -> Result<Prepared> {
        let encoder = self.shared.connection.encoder();
        let message = self.hub.panics.contain("an encoder", || encoder.message(message));
        message.map(Prepared::new).ok_or(HubError::Panicked)
    }

    pub(super) fn on_replied(&self, message: &Prepared, delivered: Delivered) {
        spawn_pump(&self.hub, &self.shared, delivered);
        if let Some(hook) = &self.hub.hooks.sent {
            self.call_hook("the sent hook", || hook(self, message.message()));
        }
    }
}

impl<S> Clone for SessionHandle<S> {
    fn clone(&self) -> Self {
        Self { hub: self.hub.clone(), shared: self.shared.clone() }
    }
}

impl<S> fmt::Debug for SessionHandle<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionHandle")
            .field("id", &self.id())
            .field("user", &self.user())
            .finish_non_exhaustive()
    }
}
