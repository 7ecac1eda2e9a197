//! The operations of a session that the protocol serving it needs.

use std::sync::Arc;

use sockeye::{Message, Prepared};

use super::{SessionHandle, spawn_pump};
use crate::core::RoomName;
use crate::core::filter::Filter;
use crate::error::{HubError, Result};
use crate::hub::JoinReply;
use crate::join::{JoinOptions, JoinTerms, Joined};

impl<S> SessionHandle<S> {
    /// Returns whether the session is in a room.
    pub(crate) fn is_in(&self, room: &RoomName) -> bool {
        let rooms = self.hub().rooms();
        // The slot of a session that has ended may be another's by now.
        !self.shared().is_over() && rooms.contains(self.shared().member(), room)
    }

    /// Returns the filter that the server forces on the session in a room.
    pub(crate) fn forced_filter(&self, room: &RoomName) -> Option<Arc<Filter>> {
        let rooms = self.hub().rooms();
        // The slot of a session that has ended may be another's by now.
        let is_over = self.shared().is_over();
        if is_over { None } else { rooms.forced_filter(self.shared().member(), room) }
    }

    /// Leaves a room without a notice to the client. Returns whether the session was in it.
    pub(crate) fn leave_silently(&self, room: &RoomName) -> bool {
        self.hub().leave(self.shared(), room)
    }
}

impl<S: Send + Sync + 'static> SessionHandle<S> {
    /// Joins a room on behalf of the client, or of the server, which does not ask the application.
    pub(crate) async fn join_as(
        &self,
        room: &RoomName,
        options: JoinOptions,
        by_client: bool,
        reply: Option<JoinReply>,
    ) -> Result<Joined> {
        if by_client {
            return self.hub().join_with_reply(self, room, options, reply).await;
        }
        if self.is_closed() {
            return Err(HubError::Closed);
        }
        let terms = JoinTerms::new();
        self.hub().join_authorized(self.shared(), room, options, terms, reply).await
    }

    /// Sends an encoded message, which is never dropped: see [`try_send`](Self::try_send).
    pub(crate) fn reply(&self, message: Message) {
        let message = Prepared::new(message);
        self.on_replied(&message, self.shared().connection.reply(&message));
    }

    /// Sends an encoded message, and then what a corked session was sent before it.
    pub(crate) fn uncork(&self, first: Message) {
        let delivered = self.shared().connection.uncork(Prepared::new(first));
        spawn_pump(self.hub(), self.shared(), delivered);
    }
}
