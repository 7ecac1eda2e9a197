//! The fields of commands.

use bytes::Bytes;
use serde::{Deserialize, Deserializer, Serialize};

use crate::core::{Position, SessionId};
use crate::protocol::v1::field::{Absent, AsText, Field, Json, Malformed, Payload, Tags};
use crate::protocol::v1::filter::FilterField;

fields! {
    Connect {
        token: Option<Box<str>>,
        #[serde(default)]
        data: Json,
        client: Option<Box<str>>,
        #[serde(default)]
        resume: Vec<Resume>,
    }
}

fields! {
    /// The position of a client in a room that the server makes it join.
    Resume {
        room: Box<str>,
        from: AsText<Position>,
    }
}

fields! {
    Join {
        room: Box<str>,
        from: Option<AsText<Position>>,
        filter: Option<FilterField>,
        #[serde(default)]
        info: Json,
        token: Option<Box<str>>,
        #[serde(default)]
        presence: bool,
    }
}

payload_fields! {
    Publish {
        room: Box<str>,
        id: Option<Box<str>>,
        #[serde(default)]
        tags: Tags,
        key: Option<Box<str>>,
    }
}

fields! {
    ListMembers {
        room: Box<str>,
        after: Option<AsText<SessionId>>,
        limit: Option<u64>,
    }
}

fields! {
    ListUsers {
        room: Box<str>,
        after: Option<Box<str>>,
        limit: Option<u64>,
    }
}

fields! {
    OneRoom {
        room: Box<str>,
    }
}

fields! {
    Update {
        room: Box<str>,
        #[serde(default)]
        info: Json,
    }
}

fields! {
    SetFilter {
        room: Box<str>,
        filter: Option<FilterField>,
    }
}

fields! {
    ReadHistory {
        room: Box<str>,
        from: Option<AsText<Position>>,
        limit: Option<u64>,
        #[serde(default)]
        reverse: bool,
    }
}

fields! {
    Rpc {
        method: Box<str>,
        #[serde(default)]
        data: Json,
    }
}

fields! {
    Refresh {
        token: Box<str>,
        room: Option<Box<str>>,
    }
}

payload_fields! {
    PayloadOnly {}
}
