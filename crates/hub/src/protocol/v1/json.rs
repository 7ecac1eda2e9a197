//! Messages as JSON objects: one field names the message, and `id` relates replies to commands.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error, IgnoredAny, MapAccess, Visitor};
use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::message::Body;
use super::{Envelope, Undecodable};

pub(super) fn encode<T: Body>(id: Option<u64>, body: &T) -> String {
    // Texts, numbers and raw JSON have no serialization that fails.
    serde_json::to_string(&Outgoing { id, body }).unwrap_or_default()
}

pub(super) fn decode<T: Body>(text: &str) -> Result<Envelope<T>, Undecodable> {
    match serde_json::from_str::<Incoming<T>>(text) {
        Ok(Incoming { id, body: Some(body), .. }) => Ok(Envelope { id, body }),
        Ok(Incoming { id, unknown: Some(name), .. }) => {
            Err(Undecodable::unknown(id, format!("the message {name:?} is unknown")))
        }
        Ok(Incoming { id, .. }) => Err(Undecodable::new(id, "the message has no content")),
        Err(error) => {
            let id = serde_json::from_str::<IdOnly>(text).ok().and_then(|message| message.id);
            Err(Undecodable::new(id, error.to_string()))
        }
    }
}

struct Outgoing<'a, T> {
    id: Option<u64>,
    body: &'a T,
}

impl<T: Body> Serialize for Outgoing<'_, T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        if let Some(id) = self.id {
            map.serialize_entry("id", &id)?;
        }
        self.body.serialize_entry(&mut map)?;
        map.end()
    }
}

struct Incoming<T> {
    id: Option<u64>,
    body: Option<T>,
    /// The first field that is none of a message.
    unknown: Option<Box<str>>,
}

/// The one field that is read of a message with faults elsewhere.
#[derive(Deserialize)]
struct IdOnly {
    id: Option<u64>,
}

impl<'de, T: Body> Deserialize<'de> for Incoming<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(MessageVisitor(PhantomData))
    }
}

struct MessageVisitor<T>(PhantomData<T>);

impl<'de, T: Body> Visitor<'de> for MessageVisitor<T> {
    type Value = Incoming<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with one message")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut message = Incoming { id: None, body: None, unknown: None };
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            if key == "id" {
                message.id = map.next_value()?;
            } else if let Some(body) = T::next_value(&key, &mut map)? {
                if message.body.replace(body).is_some() {
                    return Err(A::Error::custom("the object has two messages"));
                }
            } else {
                map.next_value::<IgnoredAny>()?;
                message.unknown.get_or_insert_with(|| key.into());
            }
        }
        Ok(message)
    }
}
