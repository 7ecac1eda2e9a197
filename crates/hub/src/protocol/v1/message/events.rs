//! The fields of replies and events.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use crate::core::{Position, SessionId};
use crate::protocol::Refusal;
use crate::protocol::v1::field::{Absent, AsText, Field, Json, Malformed, Payload, Tags};

fields! {
    Connected {
        session: AsText<SessionId>,
        user: Option<Box<str>>,
        #[serde(default)]
        data: Json,
        expires: Option<u64>,
        ping: u64,
        timeout: u64,
    }
}

fields! {
    Published {
        position: Option<AsText<Position>>,
    }
}

fields! {
    Members {
        #[serde(default)]
        members: Vec<MemberFields>,
        next: Option<AsText<SessionId>>,
    }
}

fields! {
    MemberFields {
        session: AsText<SessionId>,
        user: Option<Box<str>>,
        #[serde(default)]
        info: Json,
    }
}

fields! {
    Users {
        #[serde(default)]
        users: Vec<Box<str>>,
        next: Option<Box<str>>,
    }
}

fields! {
    Counts {
        sessions: u64,
        users: u64,
    }
}

fields! {
    History {
        #[serde(default)]
        publications: Vec<Entry>,
        position: AsText<Position>,
        #[serde(default)]
        more: bool,
        gap: Option<Box<str>>,
    }
}

fields! {
    RpcResult {
        #[serde(default)]
        data: Json,
    }
}

fields! {
    Refreshed {
        expires: Option<u64>,
    }
}

fields! {
    WireError {
        code: u32,
        message: Box<str>,
        #[serde(default)]
        temporary: bool,
    }
}

payload_fields! {
    /// A publication. `room` is absent in lists.
    Entry {
        room: Option<Box<str>>,
        position: Option<AsText<Position>>,
        id: Option<Box<str>>,
        publisher: Option<AsText<SessionId>>,
        #[serde(default)]
        tags: Tags,
    }
}

fields! {
    JoinedRoom {
        room: Box<str>,
        position: Option<AsText<Position>>,
        #[serde(default)]
        recovered: bool,
        gap: Option<Box<str>>,
        #[serde(default)]
        publications: Vec<Entry>,
        expires: Option<u64>,
    }
}

fields! {
    RefusedRoom {
        room: Box<str>,
        code: u32,
        message: Box<str>,
        #[serde(default)]
        temporary: bool,
    }
}

fields! {
    LeftRoom {
        room: Box<str>,
        code: Option<u32>,
        reason: Option<Box<str>>,
    }
}

fields! {
    PresenceChange {
        room: Box<str>,
        #[serde(default)]
        joined: Vec<MemberFields>,
        #[serde(default)]
        updated: Vec<MemberFields>,
        #[serde(default)]
        left: Vec<MemberFields>,
        #[serde(default)]
        users_joined: Vec<Box<str>>,
        #[serde(default)]
        users_left: Vec<Box<str>>,
    }
}

fields! {
    MissedPublications {
        room: Box<str>,
        reason: Box<str>,
        count: Option<u64>,
        position: Option<AsText<Position>>,
    }
}

impl From<Refusal> for WireError {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, message, temporary } = refusal;
        Self { code, message: message.into(), temporary }
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Self {
        let WireError { code, message, temporary } = error;
        Self { code, message: message.into_string().into(), temporary }
    }
}
