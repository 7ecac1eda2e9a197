use crate::core::{NodeId, PublicationId, RoomName};

/// The names of the keys and channels of a hub.
///
/// Redis takes them literally: only `PSUBSCRIBE` knows wildcards, which this bus does not use. A
/// name is a prefix, a letter and what it names, so that no two names of different kinds are equal.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: Box<str>,
}

/// The kind of a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Room(RoomName),
    /// Messages to this node, or to all nodes.
    Messages,
}

impl Keys {
    pub(super) fn new(prefix: &str) -> Self {
        Self { prefix: prefix.into() }
    }

    /// Returns the key of a history's metadata.
    pub(super) fn meta(&self, room: &RoomName) -> String {
        format!("{}m:{room}", self.prefix)
    }

    /// Returns the key of a history's entries.
    pub(super) fn entries(&self, room: &RoomName) -> String {
        format!("{}s:{room}", self.prefix)
    }

    /// Returns the key for the place of the publication with this id. The length of the room's name
    /// tells the name from the id, as both may contain every character.
    pub(super) fn id(&self, room: &RoomName, id: &PublicationId) -> String {
        format!("{}i:{}:{room}:{}", self.prefix, room.as_str().len(), id.as_str())
    }

    /// Returns the key for the place of a publication without an id, by a random number.
    pub(super) fn attempt(&self, room: &RoomName, number: u64) -> String {
        format!("{}a:{number:x}:{room}", self.prefix)
    }

    /// Returns the channel of a room.
    pub(super) fn room(&self, room: &RoomName) -> String {
        format!("{}r:{room}", self.prefix)
    }

    /// Returns the channel of messages to one node, or to all.
    pub(super) fn messages(&self, to: Option<NodeId>) -> String {
        match to {
            Some(node) => format!("{}n:{node}", self.prefix),
            None => format!("{}n", self.prefix),
        }
    }

    /// Returns what is published to a channel; `None` for channels of others.
    pub(super) fn channel(&self, name: &[u8]) -> Option<Channel> {
        let name = std::str::from_utf8(name).ok()?.strip_prefix(&*self.prefix)?;
        match name.strip_prefix("r:") {
            Some(room) => RoomName::new(room).ok().map(Channel::Room),
            None => (name == "n" || name.starts_with("n:")).then_some(Channel::Messages),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_found_to_be_of_the_room_that_named_it() {
        let keys = Keys::new("app:");
        for name in ["a", "r:", "n", "n:1", "*", ">", "{x}", "ö b", "app:r:a"] {
            let room = RoomName::new(name).unwrap();
            assert_eq!(keys.channel(keys.room(&room).as_bytes()), Some(Channel::Room(room)));
        }
        for to in [None, Some(NodeId(0xabc))] {
            assert_eq!(keys.channel(keys.messages(to).as_bytes()), Some(Channel::Messages));
        }
        for other in ["", "app:", "app:x", "other:r:a", "app:r:", "app:r:a\nb"] {
            assert_eq!(keys.channel(other.as_bytes()), None, "{other:?}");
        }
        assert_eq!(keys.channel(b"app:r:\xff"), None);
    }

    #[test]
    fn room_and_id_cannot_be_confused() {
        let keys = Keys::new("app:");
        let key =
            |room: &str, id: &str| keys.id(&RoomName::new(room).unwrap(), &PublicationId::new(id));
        assert_ne!(key("a", "b:c"), key("a:b", "c"));
    }
}
