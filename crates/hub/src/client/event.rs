use std::time::Duration;

use bytes::Bytes;
use sockeye::Message;
use tokio::sync::mpsc;

use crate::core::history::GapReason;
use crate::core::presence::{Member, PresenceDiff, Profile};
use crate::core::{Position, Publication, PublicationId, RoomName, SessionId, UserId};
use crate::encoder::{Missed, MissedReason};
use crate::join::{Joined, Recovered};
use crate::protocol::Refusal;
use crate::protocol::v1::AsText;
use crate::protocol::v1::message::{
    Entry, History, JoinedRoom, MemberFields, MissedPublications, PresenceChange,
};

/// An event of a [`HubClient`](super::HubClient).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum ClientEvent {
    /// The server has accepted the client.
    Connected {
        /// The id of the session.
        session: SessionId,
        /// The user that the server has established.
        user: Option<UserId>,
        /// The application's data.
        data: Bytes,
    },
    /// The connection was lost, or an attempt failed.
    Disconnected {
        /// The reason, for people.
        reason: String,
    },
    /// The next attempt to connect begins after this delay.
    Scheduled(Duration),
    /// The client will not connect again. No further events follow.
    Closed {
        /// The reason, for people.
        reason: String,
    },
    /// The client is in a room, for the first time or again. The joined room's
    /// [recovery](Joined::recovery) tells whether publications are missing.
    Joined {
        /// The room.
        room: RoomName,
        /// The position and the outcome of the recovery.
        joined: Joined,
    },
    /// The room cannot be joined, and the client does not try again.
    Refused {
        /// The room.
        room: RoomName,
        /// The server's reason.
        refusal: Refusal,
    },
    /// The server has made the client leave a room.
    Left {
        /// The room.
        room: RoomName,
        /// The server's code, if any.
        code: Option<u32>,
        /// The reason, which may be empty.
        reason: Box<str>,
    },
    /// A publication of a room.
    Publication {
        /// The room.
        room: RoomName,
        /// The publication.
        publication: Publication,
        /// The position after it, in rooms with history.
        position: Option<Position>,
    },
    /// Publications of a room are missing at this place.
    Missed {
        /// The room.
        room: RoomName,
        /// The number of missed publications and the reason.
        missed: Missed,
    },
    /// The presence of a room changed.
    Presence {
        /// The room.
        room: RoomName,
        /// The changes.
        diff: PresenceDiff,
    },
    /// A message that belongs to no room.
    Message(Message),
    /// A failure that belongs to no command, such as that of a token function.
    Failed(Refusal),
}

/// The events of a [`HubClient`](super::HubClient). If it is dropped, events are discarded.
#[derive(Debug)]
pub struct ClientEvents {
    events: mpsc::Receiver<ClientEvent>,
}

/// A part of a room's history.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HistoryPage {
    /// The publications, each with its position.
    pub publications: Vec<(Publication, Position)>,
    /// The position of the newest publication of the room.
    pub position: Position,
    /// `true` if there are more: the position of the last one is the beginning of the next page.
    pub more: bool,
    /// The reason why there are none.
    pub gap: Option<GapReason>,
}

impl ClientEvents {
    pub(super) fn new(events: mpsc::Receiver<ClientEvent>) -> Self {
        Self { events }
    }

    /// Returns the next event; `None` after [`ClientEvent::Closed`].
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next(&mut self) -> Option<ClientEvent> {
        self.events.recv().await
    }
}

pub(super) fn member(fields: MemberFields) -> Member {
    let MemberFields { session, user, info } = fields;
    let profile = Profile { user: user.map(|user| UserId::new(&user)), info: info.0 };
    Member { session: session.0, profile }
}

pub(super) fn publication(entry: Entry) -> (Publication, Option<Position>) {
    let publication = Publication {
        message: entry.payload.0,
        id: entry.id.map(|id| PublicationId::new(&id)),
        publisher: entry.publisher.map(|publisher| publisher.0),
        user: None,
        tags: entry.tags.into_iter().collect(),
    };
    (publication, entry.position.map(|position| position.0))
}

pub(super) fn page_of(history: History) -> HistoryPage {
    let entries = history.publications.into_iter().map(publication);
    HistoryPage {
        publications: entries.filter_map(|(one, position)| Some((one, position?))).collect(),
        position: history.position.0,
        more: history.more,
        gap: history.gap.as_deref().map(gap_reason),
    }
}

pub(super) fn joined(fields: &JoinedRoom) -> Joined {
    let recovery = match &fields.gap {
        Some(gap) => Recovered::Gap(gap_reason(gap)),
        None if fields.recovered => Recovered::All,
        None => Recovered::NotAsked,
    };
    Joined { position: fields.position.map(|at| at.0), recovery, already: false }
}

pub(super) fn missed(fields: &MissedPublications) -> Missed {
    let reason = match &*fields.reason {
        "slow" => MissedReason::Slow,
        "expired" => MissedReason::Expired,
        "failed" => MissedReason::Panicked,
        gap => MissedReason::Gap(gap_reason(gap)),
    };
    Missed { reason, count: fields.count, position: fields.position.map(|AsText(at)| at) }
}

/// Returns the reason of its name. A reason of a later version counts as the most general one.
fn gap_reason(name: &str) -> GapReason {
    [GapReason::Epoch, GapReason::RolledBack, GapReason::Limit]
        .into_iter()
        .find(|reason| reason.as_str() == name)
        .unwrap_or(GapReason::Trimmed)
}

pub(super) fn diff(change: PresenceChange) -> PresenceDiff {
    let members = |fields: Vec<MemberFields>| fields.into_iter().map(member).collect();
    let users = |users: Vec<Box<str>>| users.iter().map(|user| UserId::new(user)).collect();
    PresenceDiff {
        joined: members(change.joined),
        updated: members(change.updated),
        left: members(change.left),
        users_joined: users(change.users_joined),
        users_left: users(change.users_left),
    }
}
