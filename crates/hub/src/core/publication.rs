use std::fmt;
use std::sync::Arc;

use sockeye::{Message, Utf8Bytes};

use super::{SessionId, UserId};

/// The identity that a publisher gives to a publication, so that it can be published again after a
/// lost acknowledgement without being stored twice. Clones share the text.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct PublicationId(Arc<str>);

impl PublicationId {
    /// The maximum length that clients and backends may give, in bytes. Chosen: stores keep an id
    /// for each of the last publications.
    pub(crate) const MAX_LENGTH: usize = 128;

    /// Wraps the publisher's identity of a publication.
    pub fn new(id: &str) -> Self {
        Self(id.into())
    }

    /// Returns the identity as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for PublicationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A message that was published to a room.
#[derive(Clone, Debug, PartialEq)]
pub struct Publication {
    /// The message, as the room's members receive it.
    pub message: Message,
    /// The publisher's identity of this publication, if it gave one.
    pub id: Option<PublicationId>,
    /// The session that published it; `None` for the server's own publications.
    pub publisher: Option<SessionId>,
    /// The user of this session, if it has one.
    pub user: Option<UserId>,
    /// Names and values that members can filter by, sorted by name.
    pub tags: Vec<(Box<str>, Box<str>)>,
}

impl Publication {
    /// The maximum number of tags that clients and backends may give.
    pub(crate) const MAX_TAGS: usize = 64;

    /// The maximum sum of the lengths of their names and values, in bytes.
    pub(crate) const MAX_TAG_BYTES: usize = 4_096;

    /// Wraps a message of the server without id and tags.
    pub fn new(message: impl Into<Message>) -> Self {
        Self { message: message.into(), id: None, publisher: None, user: None, tags: Vec::new() }
    }

    /// Copies the message, which may be a small part of the buffer that a connection received it
    /// in: what keeps the message would keep the whole buffer.
    pub(crate) fn detached(&self) -> Self {
        let message = match &self.message {
            Message::Text(text) => Message::Text(Utf8Bytes::from(text.as_str())),
            Message::Binary(bytes) => Message::Binary(bytes.to_vec().into()),
        };
        let Self { id, publisher, user, tags, .. } = self.clone();
        Self { message, id, publisher, user, tags }
    }

    /// Returns the bytes that the publication is charged with in histories and queues: its payload,
    /// id, user and tags.
    pub fn size(&self) -> usize {
        let tags = self.tags.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>();
        let id = self.id.as_ref().map_or(0, |id| id.as_str().len());
        let user = self.user.as_ref().map_or(0, |user| user.as_str().len());
        self.message.len() + id + user + tags
    }
}
