use std::fmt;

use sockeye::Message;

use crate::core::history::{Gap, GapReason};
use crate::core::presence::PresenceDiff;
use crate::core::{Position, Publication, RoomName};
use crate::join::Joined;

/// The protocol of a session: how publications and notices become messages.
///
/// A publication is encoded once for all members with the same encoder, and its frame is shared by
/// all their connections. Notices are encoded for each session; those that a protocol does not have
/// are not sent. The methods run while the room is locked: they must not block, or call the hub.
///
/// # Panics
/// A panic is logged and counted by [`Hub::panics`](crate::Hub::panics), and does not reach other
/// sessions. A publication whose encoding panics is skipped for the sessions with this encoder,
/// which are told so by [`missed`](Self::missed); a message or a change of the presence is skipped
/// without a notice. A session whose [`joined`](Self::joined) or [`missed`](Self::missed) notice
/// panics is closed with 1011.
#[allow(unused_variables, reason = "the defaults ignore what they are given")]
pub trait Encoder: fmt::Debug + Send + Sync + 'static {
    /// Encodes a publication. Default: its message as it is.
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        delivery.publication.message.clone()
    }

    /// Encodes a message of [`Hub::send_to`](crate::Hub::send_to) or
    /// [`SessionHandle::send`](crate::SessionHandle::send). Default: the message as it is.
    fn message(&self, message: &Message) -> Message {
        message.clone()
    }

    /// Encodes the notice that the session has joined a room. It precedes all publications that the
    /// session receives from the room, recovered ones included. Default: none.
    fn joined(&self, room: &RoomName, joined: &Joined) -> Option<Message> {
        None
    }

    /// Encodes the notice that the server has made the session leave a room. Nothing of the room
    /// follows. Default: none.
    fn left(&self, room: &RoomName) -> Option<Message> {
        None
    }

    /// Encodes the changes of a room's presence, for members that are
    /// [told](crate::JoinOptions::presence). A protocol that tells users only returns `None` for
    /// changes of sessions alone: a user leaves some seconds after its last session. Default: none.
    fn presence(&self, room: &RoomName, diff: &PresenceDiff) -> Option<Message> {
        None
    }

    /// Encodes the notice that publications of a room are missing at this place. Default: none.
    fn missed(&self, room: &RoomName, missed: &Missed) -> Option<Message> {
        None
    }
}

/// A publication on its way to the members of a room.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The room that it was published to.
    pub room: &'a RoomName,
    /// The publication.
    pub publication: &'a Publication,
    /// The position after the publication, in rooms with history.
    pub position: Option<Position>,
}

/// Publications that a session did not receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// The cause.
    pub reason: MissedReason,
    /// The number of publications, where it is known.
    pub count: Option<u64>,
    /// The position after them, in rooms with history: the session receives what follows it.
    pub position: Option<Position>,
}

impl From<Gap> for Missed {
    fn from(gap: Gap) -> Self {
        let reason = MissedReason::Gap(gap.reason);
        Self { reason, count: None, position: Some(gap.position) }
    }
}

/// The cause of missed publications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MissedReason {
    /// The connection took them too slowly.
    Slow,
    /// The publications waited for the connection longer than their maximum age.
    Expired,
    /// The session's [`Encoder`] panicked.
    Panicked,
    /// The history does not hold them any more, or never held them.
    Gap(GapReason),
}

/// The encoder that sends the message of each publication as it is, and no notices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain;

impl Encoder for Plain {}
