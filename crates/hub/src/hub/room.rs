use std::fmt;
use std::sync::Arc;

use sockeye::Message;

use super::Shared;
use crate::bus::Source;
use crate::core::history::{Page, Range};
use crate::core::presence::{Member, PresenceCounts, PresencePage};
use crate::core::{Position, Publication, RoomName, RoomNameError, SessionId, UserId};
use crate::error::{HubError, Result};

/// A room, as the server sees it: it publishes and reads without being a member. Clones are cheap.
pub struct Room<S = ()> {
    hub: Arc<Shared<S>>,
    name: Result<RoomName, RoomNameError>,
}

impl<S> Room<S> {
    pub(crate) fn new(hub: Arc<Shared<S>>, name: Result<RoomName, RoomNameError>) -> Self {
        Self { hub, name }
    }

    /// Returns the name of the room.
    ///
    /// # Errors
    /// [`HubError::RoomName`] if the text that the room was made from is no name.
    pub fn name(&self) -> Result<&RoomName> {
        self.name.as_ref().map_err(|error| HubError::RoomName(*error))
    }

    /// Lists up to `limit` sessions of all nodes that are in the room, sorted; the first page with
    /// `None`, each further one with the cursor of its predecessor. Empty in rooms without
    /// [presence](crate::RoomOptions::presence).
    ///
    /// # Errors
    /// [`HubError::RoomName`].
    pub fn presence(
        &self,
        after: Option<SessionId>,
        limit: usize,
    ) -> Result<PresencePage<Member, SessionId>> {
        Ok(self.hub.presence().list_members(self.name()?, after, limit))
    }

    /// Lists up to `limit` users that are in the room, as [`presence`](Self::presence) lists
    /// sessions. A user leaves some seconds after its last session.
    ///
    /// # Errors
    /// [`HubError::RoomName`].
    pub fn users(
        &self,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<PresencePage<UserId, UserId>> {
        Ok(self.hub.presence().list_users(self.name()?, after, limit))
    }

    /// Returns the numbers of sessions and users that are in the room, in rooms with presence.
    ///
    /// # Errors
    /// [`HubError::RoomName`].
    pub fn counts(&self) -> Result<PresenceCounts> {
        Ok(self.hub.presence().counts(self.name()?))
    }

    /// Returns the numbers of sessions and users as centrifuge counts them: the sessions without a
    /// user are together one more user, whose name is empty.
    pub(crate) fn counts_with_anonymous(&self) -> Result<PresenceCounts> {
        let name = self.name()?;
        let presence = self.hub.presence();
        let mut counts = presence.counts(name);
        counts.users += usize::from(presence.anonymous(name) > 0);
        Ok(counts)
    }

    /// Returns the sessions of this node that are in the room.
    ///
    /// # Errors
    /// [`HubError::RoomName`].
    pub fn sessions(&self) -> Result<Vec<SessionId>> {
        Ok(self.hub.members(self.name()?))
    }
}

impl<S: Send + Sync + 'static> Room<S> {
    /// Publishes a message to the room: to its members on all nodes, and into its history, if it
    /// has one. Returns the position of the publication in the history.
    ///
    /// # Errors
    /// [`HubError::RoomName`], [`HubError::Bus`], [`HubError::Panicked`]. After an error of the
    /// bus, publish again [with the same id](Self::publish_with), so that the message is stored
    /// once. In a room without history, the members on this node have the message.
    pub async fn publish(&self, message: impl Into<Message>) -> Result<Option<Position>> {
        self.publish_with(Publication::new(message.into())).await
    }

    /// Publishes a publication with tags, and with an id: in rooms with history, a publication with
    /// the same id is stored once, however often it is published within some minutes, and each time
    /// the position of the first one is returned..
    ///
    /// # Errors
    /// Same as [`publish`](Self::publish).
    pub async fn publish_with(&self, publication: Publication) -> Result<Option<Position>> {
        self.hub.publish(self.name()?, publication).await
    }

    /// Reads a part of the room's history.
    ///
    /// # Errors
    /// [`HubError::RoomName`], [`HubError::NoHistory`], [`HubError::Bus`].
    pub async fn history(&self, range: Range) -> Result<Page> {
        self.hub.read_history(self.name()?, range, Source::Any).await
    }

    /// Removes the room's history. Clients that missed some of it are told of a gap.
    ///
    /// # Errors
    /// Same as [`history`](Self::history).
    pub async fn remove_history(&self) -> Result<()> {
        self.hub.remove_history(self.name()?).await
    }
}

impl<S> Clone for Room<S> {
    fn clone(&self) -> Self {
        Self { hub: self.hub.clone(), name: self.name.clone() }
    }
}

impl<S> fmt::Debug for Room<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Room").field(&self.name).finish()
    }
}
