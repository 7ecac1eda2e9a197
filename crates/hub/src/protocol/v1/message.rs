//! The messages, each with its name in JSON and its kind in the binary encoding.

use bytes::Bytes;
use serde::de::MapAccess;
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize};

use super::field::{Field, Malformed};

/// The content of a message: one of a set of commands, or of replies and events.
pub(crate) trait Body: Sized {
    /// Returns the kind in the binary encoding.
    fn kind(&self) -> u8;

    /// Appends the fields.
    fn put(&self, out: &mut Vec<u8>);

    /// Takes the fields; `None` for an unknown kind.
    fn take(kind: u8, input: &mut Bytes) -> Option<Result<Self, Malformed>>;

    /// Adds the field of the message to its JSON object.
    fn serialize_entry<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error>;

    /// Takes the value of a field; `None` if no message has this name.
    fn next_value<'de, A: MapAccess<'de>>(
        name: &str,
        map: &mut A,
    ) -> Result<Option<Self>, A::Error>;
}

/// Defines a set of messages.
macro_rules! messages {
    ($(#[$doc:meta])* $set:ident {
        $($kind:literal $name:literal $variant:ident($content:ty),)+
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq)]
        pub(crate) enum $set {
            $($variant($content),)+
        }

        impl Body for $set {
            fn kind(&self) -> u8 {
                match self {
                    $(Self::$variant(_) => $kind,)+
                }
            }

            fn put(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$variant(content) => content.put(out),)+
                }
            }

            fn take(kind: u8, input: &mut Bytes) -> Option<Result<Self, Malformed>> {
                match kind {
                    $($kind => Some(Field::take(input).map(Self::$variant)),)+
                    _ => None,
                }
            }

            fn serialize_entry<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
                match self {
                    $(Self::$variant(content) => map.serialize_entry($name, content),)+
                }
            }

            fn next_value<'de, A: MapAccess<'de>>(
                name: &str,
                map: &mut A,
            ) -> Result<Option<Self>, A::Error> {
                match name {
                    $($name => map.next_value().map(Self::$variant).map(Some),)+
                    _ => Ok(None),
                }
            }
        }
    };
}

/// Defines a group of fields. JSON omits those that are [absent](Absent).
macro_rules! fields {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        pub(crate) struct $name {
            $(
                #[serde(skip_serializing_if = "Absent::is_absent")]
                $(#[$attribute])*
                pub(crate) $field: $type,
            )+
        }

        impl Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                $(self.$field.put(out);)+
            }

            fn take(input: &mut Bytes) -> Result<Self, Malformed> {
                Ok(Self { $($field: Field::take(input)?,)+ })
            }
        }
    };
}

/// Defines a group of fields after a payload.
macro_rules! payload_fields {
    ($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Serialize)]
        pub(crate) struct $name {
            #[serde(flatten)]
            pub(crate) payload: Payload,
            $(
                #[serde(skip_serializing_if = "Absent::is_absent")]
                pub(crate) $field: $type,
            )*
        }

        impl Field for $name {
            fn put(&self, out: &mut Vec<u8>) {
                self.payload.put(out);
                $(self.$field.put(out);)*
            }

            fn take(input: &mut Bytes) -> Result<Self, Malformed> {
                Ok(Self { payload: Field::take(input)?, $($field: Field::take(input)?,)* })
            }
        }

        // The payload is deserialized by fields of its own: serde's `flatten` would parse its data.
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                #[derive(Deserialize)]
                struct Fields {
                    #[serde(default)]
                    data: Json,
                    #[serde(default)]
                    binary: bool,
                    $($(#[$attribute])* $field: $type,)*
                }
                let fields = Fields::deserialize(deserializer)?;
                let payload = Payload::from_json(fields.data, fields.binary)
                    .map_err(serde::de::Error::custom)?;
                Ok(Self { payload, $($field: fields.$field,)* })
            }
        }
    };
}

mod commands;
mod events;

pub(crate) use commands::*;
pub(crate) use events::*;

messages! {
    /// The commands of clients.
    ClientMessage {
        1 "connect" Connect(Connect),
        2 "join" Join(Vec<Join>),
        3 "leave" Leave(Vec<Box<str>>),
        4 "publish" Publish(Publish),
        5 "members" Members(ListMembers),
        6 "users" Users(ListUsers),
        7 "counts" Counts(OneRoom),
        8 "update" Update(Update),
        9 "history" History(ReadHistory),
        10 "rpc" Rpc(Rpc),
        11 "send" Send(PayloadOnly),
        12 "refresh" Refresh(Refresh),
        13 "pong" Pong(Empty),
        14 "filter" Filter(SetFilter),
    }
}

messages! {
    /// The replies and events of servers.
    ServerMessage {
        1 "connect" Connect(Connected),
        2 "join" Join(Empty),
        3 "leave" Leave(Empty),
        4 "publish" Publish(Published),
        5 "members" Members(Members),
        6 "users" Users(Users),
        7 "counts" Counts(Counts),
        8 "update" Update(Empty),
        9 "history" History(History),
        10 "rpc" Rpc(RpcResult),
        11 "send" Send(Empty),
        12 "refresh" Refresh(Refreshed),
        14 "filter" Filter(Empty),
        32 "error" Error(WireError),
        33 "publication" Publication(Entry),
        34 "message" Message(PayloadOnly),
        35 "joined" Joined(JoinedRoom),
        36 "refused" Refused(RefusedRoom),
        37 "left" Left(LeftRoom),
        38 "presence" Presence(PresenceChange),
        39 "missed" Missed(MissedPublications),
        40 "ping" Ping(Empty),
    }
}

/// No fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Empty {}

impl Field for Empty {
    fn put(&self, _: &mut Vec<u8>) {}

    fn take(_: &mut Bytes) -> Result<Self, Malformed> {
        Ok(Self {})
    }
}
