use std::sync::Arc;

use bytes::Bytes;

use crate::core::Position;
use crate::core::filter::Filter;
use crate::core::history::GapReason;

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
