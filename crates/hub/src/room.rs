use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use sockeye::Message;

use crate::bus::Source;
use crate::core::filter::Filter;
use crate::core::history::{GapReason, Page, Range};
use crate::core::presence::{Member, PresenceCounts, PresencePage};
use crate::core::{Position, Publication, RoomName, RoomNameError, SessionId, UserId};
use crate::error::{HubError, Result};
use crate::hub::Shared;

/// A room, as the server sees it: it publishes and reads without being a member. Clones are cheap.
pub struct Room<S = ()> {
    hub: Arc<Shared<S>>,
    name: Result<RoomName, RoomNameError>,
}

/// The way in which a session joins a room.
///
/// ```
/// use sockeye_hub::JoinOptions;
/// use sockeye_hub::core::filter::{Condition, Filter};
///
/// # fn example(presented: &str) -> Result<(), Box<dyn std::error::Error>> {
/// let options = JoinOptions::new()
///     .from(presented.parse()?)
///     .filter(Filter::tag("level", Condition::Exists)?);
/// # let _ = options;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, Default)]
pub struct JoinOptions {
    pub(crate) from: Option<Position>,
    pub(crate) filter: Option<Arc<Filter>>,
    pub(crate) info: Bytes,
    /// `true` if the session receives no notices of the presence.
    pub(crate) quiet: bool,
}

impl JoinOptions {
    /// Joins at the current position, for all publications.
    pub fn new() -> Self {
        Self::default()
    }

    /// Recovers what was published since a position: first, the session receives exactly the missed
    /// publications, then what is published later. If they cannot all be had, it receives none of
    /// them, and [`Joined::recovery`] has the reason.
    pub fn from(self, position: Position) -> Self {
        Self { from: Some(position), ..self }
    }

    /// Sets the data that the other members see in the room's presence. Default: none.
    pub fn info(self, info: impl Into<Bytes>) -> Self {
        Self { info: info.into(), ..self }
    }

    /// Sets whether the session is told who joins and leaves, in rooms with presence. Default: it
    /// is.
    pub fn presence(self, told: bool) -> Self {
        Self { quiet: !told, ..self }
    }

    /// Delivers only publications whose tags match. Default: all. To be replaced by
    /// [`SessionHandle::set_filter`](crate::SessionHandle::set_filter).
    pub fn filter(self, filter: impl Into<Arc<Filter>>) -> Self {
        Self { filter: Some(filter.into()), ..self }
    }
}

/// The terms on which a session may join a room, as
/// [`Builder::authorize_join`](crate::Builder::authorize_join) sets them. `()` is no terms.
#[derive(Clone, Debug, Default)]
pub struct JoinTerms {
    pub(crate) filter: Option<Arc<Filter>>,
}

impl JoinTerms {
    /// Lets the session join as it asks to.
    pub fn new() -> Self {
        Self::default()
    }

    /// Delivers only publications whose tags match, whatever the session's own
    /// [filter](JoinOptions::filter), which applies as well. Default: all.
    pub fn filter(self, filter: impl Into<Arc<Filter>>) -> Self {
        Self { filter: Some(filter.into()) }
    }
}

impl From<()> for JoinTerms {
    fn from((): ()) -> Self {
        Self::new()
    }
}

/// The result of joining a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// The position from which the session receives publications, in rooms with history: all after
    /// it, recovered ones included. `None` in rooms without history.
    pub position: Option<Position>,
    /// The outcome for the publications that the session missed.
    pub recovery: Recovered,
    /// `true` if the session was in the room before. Nothing has changed then.
    pub already: bool,
}

/// The result of recovering the publications that a session missed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recovered {
    /// The session did not ask for any.
    NotAsked,
    /// All of them follow.
    All,
    /// The publications are not all available, or cannot be proven to be: none of them follows.
    Gap(GapReason),
}

impl Joined {
    /// Returns whether publications that the session missed cannot be recovered.
    pub(crate) fn is_gap(&self) -> bool {
        matches!(self.recovery, Recovered::Gap(_))
    }
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
    /// [`HubError::RoomName`], [`HubError::Bus`], [`HubError::Panicked`]. After an error of the bus,
    /// publish again [with the same id](Self::publish_with), so that the message is stored once. In
    /// a room without history, the members on this node have the message.
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
