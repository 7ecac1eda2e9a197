use std::fmt;

use redis::Cmd;

use super::partition::Partition;
use crate::core::{NodeId, PublicationId, RoomName};

/// The names of the keys and channels of a hub.
///
/// Redis takes them literally: only `PSUBSCRIBE` knows wildcards, which this bus does not use. A
/// name is a prefix, in a cluster the hash tag of a partition, a letter and what it names, so that
/// no two names of different kinds are equal.
#[derive(Debug)]
pub(super) struct Keys {
    prefix: Box<str>,
    /// `true` in a cluster: names have hash tags, and channels are sharded.
    sharded: bool,
}

/// The kind of a channel.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Channel {
    Room(RoomName),
    /// Messages to this node, or to all nodes.
    Messages,
}

impl Keys {
    pub(super) fn new(prefix: &str, sharded: bool) -> Self {
        Self { prefix: prefix.into(), sharded }
    }

    fn name(&self, partition: Partition, rest: fmt::Arguments<'_>) -> String {
        let prefix = &self.prefix;
        if self.sharded {
            format!("{prefix}{{{partition}}}{rest}")
        } else {
            format!("{prefix}{rest}")
        }
    }

    fn of_room(&self, room: &RoomName, rest: fmt::Arguments<'_>) -> String {
        self.name(Partition::of_room(room), rest)
    }

    /// Returns the key of a history's metadata.
    pub(super) fn meta(&self, room: &RoomName) -> String {
        self.of_room(room, format_args!("m:{room}"))
    }

    /// Returns the key of a history's entries.
    pub(super) fn entries(&self, room: &RoomName) -> String {
        self.of_room(room, format_args!("s:{room}"))
    }

    /// Returns the key for the place of the publication with this id. The length of the room's name
    /// tells the name from the id, as both may contain every character.
    pub(super) fn id(&self, room: &RoomName, id: &PublicationId) -> String {
        let length = room.as_str().len();
        self.of_room(room, format_args!("i:{length}:{room}:{}", id.as_str()))
    }

    /// Returns the key for the place of a publication without an id, by a random number.
    pub(super) fn attempt(&self, room: &RoomName, number: u64) -> String {
        self.of_room(room, format_args!("a:{number:x}:{room}"))
    }

    /// Returns the channel of a room.
    pub(super) fn room(&self, room: &RoomName) -> String {
        self.of_room(room, format_args!("r:{room}"))
    }

    /// Returns a channel of messages of a partition: to one node, or to all.
    pub(super) fn messages(&self, partition: Partition, to: Option<NodeId>) -> String {
        match to {
            Some(node) => self.name(partition, format_args!("n:{node}")),
            None => self.name(partition, format_args!("n")),
        }
    }

    /// Returns the partition of the messages that a node sends: without a cluster, all nodes share
    /// one.
    pub(super) fn partition_of_messages(&self, from: NodeId) -> Partition {
        Partition::of_node(if self.sharded { from } else { NodeId(0) })
    }

    /// Returns the partitions in which nodes send messages.
    pub(super) fn partitions_of_messages(&self) -> impl Iterator<Item = Partition> {
        Partition::all().take(if self.sharded { usize::MAX } else { 1 })
    }

    /// Returns what is published to a channel; `None` for channels of others.
    pub(super) fn channel(&self, name: &[u8]) -> Option<Channel> {
        let mut name = std::str::from_utf8(name).ok()?.strip_prefix(&*self.prefix)?;
        if self.sharded {
            name = name.strip_prefix('{')?.split_once('}')?.1;
        }
        match name.strip_prefix("r:") {
            Some(room) => RoomName::new(room).ok().map(Channel::Room),
            None => (name == "n" || name.starts_with("n:")).then_some(Channel::Messages),
        }
    }

    /// Returns the name of the command that publishes to a channel.
    pub(super) fn publish(&self) -> &'static str {
        if self.sharded { "SPUBLISH" } else { "PUBLISH" }
    }

    /// Returns the name of the command that subscribes to a channel.
    pub(super) fn subscribe(&self) -> &'static str {
        if self.sharded { "SSUBSCRIBE" } else { "SUBSCRIBE" }
    }

    /// Returns the name of the command that ends the subscription to a channel.
    pub(super) fn unsubscribe(&self) -> &'static str {
        if self.sharded { "SUNSUBSCRIBE" } else { "UNSUBSCRIBE" }
    }

    /// Returns a command that a server answers while it can be used for a partition. In a cluster
    /// it names a key, so that a server refuses it that has lost the slot or the other servers.
    pub(super) fn check(&self, partition: Partition) -> Cmd {
        if !self.sharded {
            return redis::cmd("PING");
        }
        let mut command = redis::cmd("EXISTS");
        command.arg(self.name(partition, format_args!("x")));
        command
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_found_to_be_of_the_room_that_named_it() {
        for sharded in [false, true] {
            let keys = Keys::new("app:", sharded);
            for name in ["a", "r:", "n", "n:1", "*", ">", "{x}", "}", "{", "ö b", "app:r:a"] {
                let room = RoomName::new(name).unwrap();
                assert_eq!(keys.channel(keys.room(&room).as_bytes()), Some(Channel::Room(room)));
            }
            for to in [None, Some(NodeId(0xabc))] {
                for partition in keys.partitions_of_messages() {
                    let name = keys.messages(partition, to);
                    assert_eq!(keys.channel(name.as_bytes()), Some(Channel::Messages));
                }
            }
            let others = ["", "app:", "app:x", "app:{p1", "app:{p1}", "other:r:a", "other:{p1}r:a"];
            let tag = if sharded { "{p1}" } else { "" };
            let no_rooms = [format!("app:{tag}r:"), format!("app:{tag}r:a\nb")];
            for other in others.into_iter().chain(no_rooms.iter().map(|name| &**name)) {
                assert_eq!(keys.channel(other.as_bytes()), None, "{other:?}");
            }
        }
        assert_eq!(Keys::new("app:", false).channel(b"app:r:\xff"), None);
        assert_eq!(Keys::new("app:", true).channel(b"app:r:a"), None);
        assert_eq!(Keys::new("app:", false).channel(b"app:{p1}r:a"), None);
    }

    #[test]
    fn room_and_id_cannot_be_confused() {
        for sharded in [false, true] {
            let keys = Keys::new("app:", sharded);
            let key = |room: &str, id: &str| {
                keys.id(&RoomName::new(room).unwrap(), &PublicationId::new(id))
            };
            assert_ne!(key("a", "b:c"), key("a:b", "c"));
        }
    }

    #[test]
    fn in_a_cluster_all_names_of_a_room_have_one_hash_tag() {
        let keys = Keys::new("app:", true);
        let room = RoomName::new("{x}}{*").unwrap();
        let tag = format!("app:{{{}}}", Partition::of_room(&room));
        let names = [
            keys.meta(&room),
            keys.entries(&room),
            keys.id(&room, &PublicationId::new("{y}")),
            keys.attempt(&room, 7),
            keys.room(&room),
        ];
        for name in names {
            assert!(name.starts_with(&tag), "{name}");
        }
        let plain = Keys::new("app:", false);
        assert_eq!(plain.meta(&room), "app:m:{x}}{*");
        assert_eq!(plain.partitions_of_messages().count(), 1);
        assert_eq!(keys.partitions_of_messages().count(), usize::from(Partition::COUNT));
    }
}
