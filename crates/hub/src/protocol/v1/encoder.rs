//! Publications and notices of the hub as messages of the protocol.

use std::sync::{Arc, LazyLock};

use sockeye::Message;

use super::Encoding;
use super::field::{AsText, Json, Payload};
use super::message::{
    Entry, JoinedRoom, LeftRoom, MemberFields, MissedPublications, PayloadOnly, PresenceChange,
    ServerMessage,
};
use crate::core::presence::{Member, PresenceDiff};
use crate::core::{Position, Publication, RoomName, UserId};
use crate::encoder::{Delivery, Encoder, Missed, MissedReason};
use crate::join::{Joined, Recovered};

/// Returns the encoder for sessions of an encoding, which all of them share: a publication is
/// encoded once for each encoder.
pub(crate) fn encoder(encoding: Encoding) -> Arc<dyn Encoder> {
    static JSON: LazyLock<Arc<V1>> = LazyLock::new(|| Arc::new(V1 { encoding: Encoding::Json }));
    static BINARY: LazyLock<Arc<V1>> =
        LazyLock::new(|| Arc::new(V1 { encoding: Encoding::Binary }));
    match encoding {
        Encoding::Json => JSON.clone(),
        Encoding::Binary => BINARY.clone(),
    }
}

#[derive(Debug)]
struct V1 {
    encoding: Encoding,
}

impl V1 {
    fn event(&self, event: &ServerMessage) -> Message {
        self.encoding.encode(None, event)
    }
}

impl Encoder for V1 {
    fn publication(&self, delivery: &Delivery<'_>) -> Message {
        let room = Some(delivery.room.as_str().into());
        let entry = Entry { room, ..Entry::new(delivery.publication, delivery.position) };
        self.event(&ServerMessage::Publication(entry))
    }

    fn message(&self, message: &Message) -> Message {
        let payload = Payload(message.clone());
        self.event(&ServerMessage::Message(PayloadOnly { payload }))
    }

    fn joined(&self, room: &RoomName, joined: &Joined) -> Option<Message> {
        Some(self.event(&ServerMessage::Joined(JoinedRoom::new(room, joined))))
    }

    fn left(&self, room: &RoomName) -> Option<Message> {
        let room = room.as_str().into();
        Some(self.event(&ServerMessage::Left(LeftRoom { room, code: None, reason: None })))
    }

    fn presence(&self, room: &RoomName, diff: &PresenceDiff) -> Option<Message> {
        let members = |members: &[Member]| members.iter().map(MemberFields::new).collect();
        let users = |users: &[UserId]| users.iter().map(|user| user.as_str().into()).collect();
        // A member that left has no info any more.
        let left = diff.left.iter().map(MemberFields::new);
        let left = left.map(|member| MemberFields { info: Json::default(), ..member }).collect();
        Some(self.event(&ServerMessage::Presence(PresenceChange {
            room: room.as_str().into(),
            joined: members(&diff.joined),
            updated: members(&diff.updated),
            left,
            users_joined: users(&diff.users_joined),
            users_left: users(&diff.users_left),
        })))
    }

    fn missed(&self, room: &RoomName, missed: &Missed) -> Option<Message> {
        let reason = match missed.reason {
            MissedReason::Slow => "slow",
            MissedReason::Expired => "expired",
            MissedReason::Panicked => "failed",
            MissedReason::Gap(reason) => reason.as_str(),
        };
        Some(self.event(&ServerMessage::Missed(MissedPublications {
            room: room.as_str().into(),
            reason: reason.into(),
            count: missed.count,
            position: missed.position.map(AsText),
        })))
    }
}

impl Entry {
    pub(crate) fn new(publication: &Publication, position: Option<Position>) -> Self {
        Self {
            payload: Payload(publication.message.clone()),
            room: None,
            position: position.map(AsText),
            id: publication.id.as_ref().map(|id| id.as_str().into()),
            publisher: publication.publisher.map(AsText),
            tags: publication.tags.iter().cloned().collect(),
        }
    }
}

impl MemberFields {
    pub(crate) fn new(member: &Member) -> Self {
        Self {
            session: AsText(member.session),
            user: member.profile.user.as_ref().map(|user| user.as_str().into()),
            info: Json(member.profile.info.clone()),
        }
    }
}

impl JoinedRoom {
    pub(crate) fn new(room: &RoomName, joined: &Joined) -> Self {
        let (recovered, gap) = match joined.recovery {
            Recovered::NotAsked => (false, None),
            Recovered::All => (true, None),
            Recovered::Gap(reason) => (false, Some(reason.as_str().into())),
        };
        Self {
            room: room.as_str().into(),
            position: joined.position.map(AsText),
            recovered,
            gap,
            publications: Vec::new(),
            expires: None,
        }
    }
}
