use std::fmt::Write as _;
use std::time::Duration;

use super::MAX_ID_LENGTH;
use super::error::NatsError;
use crate::core::history::Retention;
use crate::core::{NodeId, PublicationId, RoomName};

/// The longest age of a history that the broker understands: beyond, the history does not age.
const MAX_AGE: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The subjects and streams of one hub on its broker.
///
/// | subject | content |
/// |---|---|
/// | `PREFIX.live.ROOM` | publications of rooms without history |
/// | `PREFIX.in.CLASS.ROOM` | publications on their way into the stream `PREFIX_CLASS` |
/// | `PREFIX.in.CLASS.stream.epoch` | the epoch of this stream; no room has two tokens |
/// | `PREFIX.out.CLASS.ROOM` | publications that the stream has stored and republishes |
/// | `PREFIX.node.NODE`, `PREFIX.nodes` | messages to one node, and to all |
#[derive(Debug)]
pub(super) struct Subjects {
    prefix: String,
}

/// The rooms that share a stream: those of one retention.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Class {
    pub(super) count: usize,
    pub(super) age: Duration,
}

impl Class {
    pub(super) const fn of(retention: &Retention) -> Self {
        let milliseconds = retention.age.as_millis();
        let age = if milliseconds > MAX_AGE.as_millis() { MAX_AGE } else { retention.age };
        // In whole milliseconds, as the names of streams tell it.
        let age = Duration::from_millis(age.as_secs() * 1_000 + age.subsec_millis() as u64);
        Self { count: retention.count, age }
    }

    /// Returns the name of the class in subjects and in the name of its stream.
    fn token(self) -> String {
        format!("{}-{}ms", self.count, self.age.as_millis())
    }

    fn parse(token: &str) -> Option<Self> {
        let (count, age) = token.strip_suffix("ms")?.split_once('-')?;
        let age = Duration::from_millis(age.parse().ok()?);
        Some(Self { count: count.parse().ok()?, age })
    }
}

impl Subjects {
    pub(super) const fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// Returns whether a prefix can be a token of a subject and begin the name of a stream.
    pub(super) fn is_prefix(prefix: &str) -> bool {
        (1..=32).contains(&prefix.len())
            && prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    }

    pub(super) fn live(&self, room: &RoomName) -> String {
        format!("{}.live.{}", self.prefix, token(room))
    }

    pub(super) fn stored_in(&self, class: Class, room: &RoomName) -> String {
        format!("{}.in.{}.{}", self.prefix, class.token(), token(room))
    }

    pub(super) fn stored_out(&self, class: Class, room: &RoomName) -> String {
        format!("{}.out.{}.{}", self.prefix, class.token(), token(room))
    }

    /// Returns the subjects of a room in the streams of all classes.
    pub(super) fn stored_in_any(&self, room: &RoomName) -> String {
        format!("{}.in.*.{}", self.prefix, token(room))
    }

    /// Returns the class of a stream of this hub, and the subject of a room in it.
    pub(super) fn stored_in_stream(
        &self,
        stream: &str,
        room: &RoomName,
    ) -> Option<(Class, String)> {
        let class = Class::parse(stream.strip_prefix(&*self.prefix)?.strip_prefix('_')?)?;
        Some((class, self.stored_in(class, room)))
    }

    pub(super) fn node(&self, node: NodeId) -> String {
        format!("{}.node.{node}", self.prefix)
    }

    pub(super) fn nodes(&self) -> String {
        format!("{}.nodes", self.prefix)
    }

    pub(super) fn stream(&self, class: Class) -> String {
        format!("{}_{}", self.prefix, class.token())
    }

    /// Returns the subject of the epoch of the stream of a class.
    pub(super) fn epoch(&self, class: Class) -> String {
        format!("{}.in.{}.stream.epoch", self.prefix, class.token())
    }

    /// Returns the subjects that the stream of a class stores.
    pub(super) fn all_in(&self, class: Class) -> String {
        format!("{}.in.{}.>", self.prefix, class.token())
    }

    /// Returns the subjects that the stream of a class republishes to.
    pub(super) fn all_out(&self, class: Class) -> String {
        format!("{}.out.{}.>", self.prefix, class.token())
    }
}

/// Returns the id under which a stream knows a publication: ids of different rooms differ.
pub(super) fn message_id(room: &RoomName, id: &PublicationId) -> Result<String, NatsError> {
    let length = id.as_str().len();
    if length > MAX_ID_LENGTH {
        return Err(NatsError::IdTooLong { length });
    }
    Ok(format!("{}.{}", token(room), escape(id.as_str())))
}

/// Returns the name of a room as one token of a subject. Two rooms never share a token.
pub(super) fn token(room: &RoomName) -> String {
    escape(room.as_str())
}

/// Escapes a text for subjects and headers. Letters, digits and `-`, `_`, `:`, `/` are kept; every
/// other byte becomes `=` and two hexadecimal digits. Two texts are never escaped to the same one.
fn escape(text: &str) -> String {
    let mut token = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b':' | b'/') {
            token.push(char::from(byte));
        } else {
            // Writing to a string does not fail.
            let _ = write!(token, "={byte:02x}");
        }
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn room(name: &str) -> RoomName {
        RoomName::new(name).unwrap()
    }

    #[test]
    fn a_room_is_one_token_without_wildcards() {
        assert_eq!(token(&room("room:42")), "room:42");
        assert_eq!(token(&room(">")), "=3e");
        assert_eq!(token(&room("a.*.b c=ö")), "a=2e=2a=2eb=20c=3d=c3=b6");
        assert_ne!(token(&room("=3e")), token(&room(">")));
    }

    #[test]
    fn the_subject_of_a_room_is_found_by_the_name_of_its_stream() {
        let subjects = Subjects::new("hub".into());
        let class = Class { count: 10, age: Duration::from_secs(60) };
        let expected = subjects.stored_in(class, &room("a"));
        assert_eq!(expected, "hub.in.10-60000ms.a");
        let found = subjects.stored_in_stream(&subjects.stream(class), &room("a"));
        assert_eq!(found, Some((class, expected)));
        assert_eq!(subjects.stored_in_stream("other_10-60000ms", &room("a")), None);
    }

    #[test]
    fn prefixes_are_checked() {
        assert!(Subjects::is_prefix("chat-1_test"));
        for prefix in ["", "a.b", "a b", ">", "*", &"a".repeat(33)] {
            assert!(!Subjects::is_prefix(prefix), "{prefix:?}");
        }
    }
}
