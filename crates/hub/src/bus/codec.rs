//! The encoding of publications on their way through a broker.
//!
//! ```text
//! flags (1) | id: length (4), text | publisher: node (8), number (8) | user: length (4), text
//!           | tags: count (2), then for each: length (4), name, length (4), value | payload
//! ```
//!
//! Each part between the flags and the payload is there if its flag is set. Integers are
//! big-endian; the payload reaches to the end.

use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, BufMut, Bytes};
use sockeye::{Message, Utf8Bytes};

use crate::core::{NodeId, Publication, PublicationId, SessionId, UserId};

/// The payload is text.
const TEXT: u8 = 1;
const ID: u8 = 2;
const PUBLISHER: u8 = 4;
const TAGS: u8 = 8;
const USER: u8 = 16;

/// Encodes a publication. Tags beyond 65,535 are left out.
pub(super) fn encode(publication: &Publication) -> Vec<u8> {
    let tags = &publication.tags[..publication.tags.len().min(usize::from(u16::MAX))];
    let mut flags = 0;
    for (flag, set) in [
        (TEXT, publication.message.as_text().is_some()),
        (ID, publication.id.is_some()),
        (PUBLISHER, publication.publisher.is_some()),
        (TAGS, !tags.is_empty()),
        (USER, publication.user.is_some()),
    ] {
        flags |= if set { flag } else { 0 };
    }
    let mut out = Vec::with_capacity(publication.size() + 8 * tags.len() + 27);
    out.put_u8(flags);
    if let Some(id) = &publication.id {
        put_text(&mut out, id.as_str());
    }
    if let Some(publisher) = publication.publisher {
        out.put_u64(publisher.node.0);
        out.put_u64(publisher.number);
    }
    if let Some(user) = &publication.user {
        put_text(&mut out, user.as_str());
    }
    if let (false, Ok(count)) = (tags.is_empty(), u16::try_from(tags.len())) {
        out.put_u16(count);
        for (name, value) in tags {
            put_text(&mut out, name);
            put_text(&mut out, value);
        }
    }
    out.put_slice(publication.message.as_bytes());
    out
}

/// Decodes a publication; `None` if the bytes are none.
pub(super) fn decode(mut bytes: Bytes) -> Option<Publication> {
    let flags = bytes.try_get_u8().ok()?;
    if flags & !(TEXT | ID | PUBLISHER | TAGS | USER) != 0 {
        return None;
    }
    let has = |flag: u8| flags & flag != 0;
    let mut id = None;
    if has(ID) {
        id = Some(PublicationId::new(&take_text(&mut bytes)?));
    }
    let mut publisher = None;
    if has(PUBLISHER) {
        let node = NodeId(bytes.try_get_u64().ok()?);
        publisher = Some(SessionId { node, number: bytes.try_get_u64().ok()? });
    }
    let mut user = None;
    if has(USER) {
        user = Some(UserId::new(&take_text(&mut bytes)?));
    }
    let mut tags = Vec::new();
    if has(TAGS) {
        for _ in 0..bytes.try_get_u16().ok()? {
            tags.push((take_text(&mut bytes)?, take_text(&mut bytes)?));
        }
    }
    let message = if has(TEXT) {
        Message::Text(Utf8Bytes::try_from(bytes).ok()?)
    } else {
        Message::Binary(bytes)
    };
    Some(Publication { message, id, publisher, user, tags })
}

/// Logs that the history of a room, or of the subject of a room, has an entry that cannot be
/// decoded: the first time as a warning, as each read finds the entry again.
pub(super) fn log_undecodable(room: &str, offset: u64) {
    static WARNED: AtomicBool = AtomicBool::new(false);

    if WARNED.swap(true, Ordering::Relaxed) {
        tracing::debug!(room, offset, "an entry of a history cannot be decoded");
    } else {
        tracing::warn!(
            room,
            offset,
            "an entry of a history cannot be decoded: it is told as a gap"
        );
    }
}

/// A text of 4 GiB has a false length, and its publication is not decoded.
fn put_text(out: &mut Vec<u8>, text: &str) {
    out.put_u32(u32::try_from(text.len()).unwrap_or(u32::MAX));
    out.put_slice(text.as_bytes());
}

fn take_text(bytes: &mut Bytes) -> Option<Box<str>> {
    let length = bytes.try_get_u32().ok()? as usize;
    let text = (length <= bytes.len()).then(|| bytes.split_to(length))?;
    std::str::from_utf8(&text).ok().map(Into::into)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publications() -> Vec<Publication> {
        let id = Some(PublicationId::new("order:ö"));
        let publisher = Some(SessionId { node: NodeId(u64::MAX), number: 7 });
        let user = Some(UserId::new("ada"));
        let tags = vec![("level".into(), "9".into()), ("n".into(), "".into())];
        vec![
            Publication::new("hello"),
            Publication::new(""),
            Publication::new(Message::Binary(Bytes::from_static(b"\xff\0"))),
            Publication { id: id.clone(), ..Publication::new("with id") },
            Publication { publisher, ..Publication::new("with publisher") },
            Publication { user: user.clone(), ..Publication::new("with user") },
            Publication { id, publisher, user, tags, message: Message::Binary(Bytes::new()) },
        ]
    }

    #[test]
    fn publications_are_decoded_as_they_were_encoded() {
        for publication in publications() {
            assert_eq!(decode(encode(&publication).into()), Some(publication));
        }
    }

    #[test]
    fn damaged_publications_are_refused_or_decoded_without_panic() {
        for publication in publications() {
            let bytes = encode(&publication);
            for length in 0..bytes.len() {
                let _ = decode(Bytes::copy_from_slice(&bytes[..length]));
                for flip in [1, 0x10, 0x80, 0xff] {
                    let mut damaged = bytes.clone();
                    damaged[length] ^= flip;
                    let _ = decode(damaged.into());
                }
            }
        }
        assert_eq!(decode(Bytes::new()), None);
        assert_eq!(decode(Bytes::from_static(&[0x20])), None);
        assert_eq!(decode(Bytes::from_static(&[TEXT, 0xff])), None);
        for text in [ID, USER] {
            assert_eq!(decode(Bytes::copy_from_slice(&[text, 0xff, 0xff, 0xff, 0xff, b'a'])), None);
        }
    }
}
