//! The payloads of channels, and the replies of the scripts.
//!
//! ```text
//! SEPOCH OFFSET TAG PREVIOUS \n publication    stored in the history of a room
//! LNODE \n publication                         published by a node to a room without history
//! MNODE \n bytes                               sent by a node to other nodes
//! ```

use std::error::Error;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use redis::Value;

use crate::bus::{BusError, codec};
use crate::core::history::{Direction, Entry, Limit, Page, Previous, Range};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName, Tag};

/// A delivery of a channel.
#[derive(Debug, PartialEq)]
pub(super) enum Payload {
    Stored { epoch: Epoch, entry: Entry },
    Live { from: NodeId, publication: Arc<Publication> },
    Message { from: NodeId, bytes: Bytes },
}

pub(super) fn live(from: NodeId, publication: &Publication) -> Vec<u8> {
    [format!("L{from}\n").as_bytes(), &codec::encode(publication)].concat()
}

pub(super) fn message(from: NodeId, bytes: &[u8]) -> Vec<u8> {
    [format!("M{from}\n").as_bytes(), bytes].concat()
}

impl Payload {
    /// Decodes a payload; `None` if it is not understood.
    pub(super) fn decode(payload: Vec<u8>) -> Option<Self> {
        let mut content = Bytes::from(payload);
        let end = content.iter().position(|byte| *byte == b'\n')?;
        let head = content.split_to(end + 1);
        let head = std::str::from_utf8(&head[..end]).ok()?;
        let (kind, place) = head.split_at_checked(1)?;
        match kind {
            "S" => {
                let mut words = place.split(' ');
                let epoch = hexadecimal(words.next()?)?;
                let (offset, tag) = (words.next()?.parse().ok()?, words.next()?.parse().ok()?);
                let previous = words.next()?.parse().ok()?;
                let publication = Arc::new(codec::decode(content)?);
                let entry = entry(offset, tag, previous, publication)?;
                words.next().is_none().then_some(Self::Stored { epoch: Epoch(epoch), entry })
            }
            "L" => {
                let from = NodeId(hexadecimal(place)?);
                Some(Self::Live { from, publication: Arc::new(codec::decode(content)?) })
            }
            "M" => Some(Self::Message { from: NodeId(hexadecimal(place)?), bytes: content }),
            _ => None,
        }
    }
}

/// Returns the entry at an offset, which is never 0. The offsets of a room have no holes.
fn entry(offset: u64, tag: u64, previous: u64, publication: Arc<Publication>) -> Option<Entry> {
    let previous = Previous { offset: offset.checked_sub(1)?, tag: Some(Tag(previous)) };
    Some(Entry { offset, tag: Tag(tag), previous: Some(previous), publication })
}

/// Reads the position that a script has returned.
pub(super) fn position(reply: &Value) -> Result<Position, BusError> {
    match reply {
        Value::Array(values) => position_of(values),
        _ => None,
    }
    .ok_or_else(|| unexpected("an epoch, an offset and a tag"))
}

fn position_of(values: &[Value]) -> Option<Position> {
    let [epoch, offset, tag, ..] = values else { return None };
    Some(Position {
        epoch: Epoch(hexadecimal(text(epoch)?)?),
        offset: text(offset)?.parse().ok()?,
        tag: Tag(text(tag)?.parse().ok()?),
    })
}

/// Reads the page that the script has returned, up to the range's limit in bytes.
///
/// An entry that cannot be decoded is left out, and told as a gap: the entry after it names it as
/// its predecessor.
pub(super) fn page(room: &RoomName, reply: Value, range: Range) -> Result<Page, BusError> {
    page_of(room, reply, range).ok_or_else(|| unexpected("a position and the entries of a history"))
}

fn page_of(room: &RoomName, reply: Value, range: Range) -> Option<Page> {
    let Value::Array(mut values) = reply else { return None };
    let Some(Value::Array(found)) = values.pop() else { return None };
    let top = position_of(&values)?;
    let (oldest, _) = id(values.get(3)?)?;
    let count = found.len();
    let mut entries = Vec::with_capacity(count);
    let mut bytes = 0_usize;
    let mut is_last_decoded = true;
    for value in found {
        let offset = entry_id(&value)?.0;
        let entry = entry_of(value);
        is_last_decoded = entry.is_some();
        let Some(entry) = entry else {
            codec::log_undecodable(room.as_str(), offset);
            continue;
        };
        let size = entry.publication.size();
        // The script has counted the entries.
        let limit = Limit { count: usize::MAX, ..range.limit };
        if !limit.takes(entries.len(), bytes, size) {
            break;
        }
        bytes = bytes.saturating_add(size);
        entries.push(entry);
    }
    if !is_last_decoded && entries.len() < Limit::MIN_PAGE {
        // A reader who is at the only entry would read this page again and again: the entry is
        // taken for trimmed.
        entries.clear();
    }
    let remaining = match (entries.last(), range.direction) {
        (None, _) => 0,
        (Some(last), Direction::Forwards) => top.offset.saturating_sub(last.offset),
        (Some(last), Direction::Backwards) => last.offset.saturating_sub(oldest),
    };
    Some(Page { range, top, entries, remaining })
}

/// Reads the id of an entry of a stream.
fn entry_id(value: &Value) -> Option<(u64, u64)> {
    let Value::Array(parts) = value else { return None };
    id(parts.first()?)
}

/// Reads an entry of a stream: its id, and the fields p, c, t and d with their values.
fn entry_of(value: Value) -> Option<Entry> {
    let Value::Array(parts) = value else { return None };
    let [id_value, Value::Array(fields)] = <[Value; 2]>::try_from(parts).ok()? else {
        return None;
    };
    let (offset, tag) = id(&id_value)?;
    let previous = text(fields.get(1)?)?.parse().ok()?;
    let Some(Value::BulkString(data)) = fields.into_iter().nth(7) else { return None };
    entry(offset, tag, previous, Arc::new(codec::decode(data.into())?))
}

/// Reads the id of an entry, `OFFSET-TAG`.
fn id(value: &Value) -> Option<(u64, u64)> {
    let (offset, tag) = text(value)?.split_once('-')?;
    Some((offset.parse().ok()?, tag.parse().ok()?))
}

fn text(value: &Value) -> Option<&str> {
    match value {
        Value::BulkString(bytes) => std::str::from_utf8(bytes).ok(),
        Value::SimpleString(text) => Some(text),
        _ => None,
    }
}

fn hexadecimal(text: &str) -> Option<u64> {
    u64::from_str_radix(text, 16).ok()
}

fn unexpected(expected: &'static str) -> BusError {
    BusError::Broker(Arc::new(UnexpectedReply { expected }))
}

/// A script has returned something else than it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct UnexpectedReply {
    expected: &'static str,
}

impl fmt::Display for UnexpectedReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a script of the hub did not return {}", self.expected)
    }
}

impl Error for UnexpectedReply {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::history::GapReason;

    fn publication() -> Arc<Publication> {
        Arc::new(Publication::new("a\nb"))
    }

    #[test]
    fn payloads_are_decoded_as_they_were_encoded() {
        let from = NodeId(0xabc);
        let live = Payload::decode(live(from, &publication()));
        assert_eq!(live, Some(Payload::Live { from, publication: publication() }));
        let bytes = Bytes::from_static(b"\n\xff");
        assert_eq!(Payload::decode(message(from, &bytes)), Some(Payload::Message { from, bytes }));
        let stored = [&b"Sff 7 8 9\n"[..], &codec::encode(&publication())].concat();
        let entry = entry(7, 8, 9, publication()).unwrap();
        let expected = Payload::Stored { epoch: Epoch(0xff), entry };
        assert_eq!(Payload::decode(stored), Some(expected));
    }

    #[test]
    fn other_payloads_are_refused() {
        let heads = "|L|X1|Sff 7 8|Sff 7 8 9 10|Sff 0 8 9|Sx 7 8 9|Sff -7 8 9|L|Lx|ö";
        for head in heads.split('|') {
            let payload = [head.as_bytes(), b"\n", &codec::encode(&publication())].concat();
            assert_eq!(Payload::decode(payload), None, "{head:?}");
        }
        for payload in ["", "L1", "L1\n", "Sff 7 8 9\n"] {
            assert_eq!(Payload::decode(payload.into()), None, "{payload:?}");
        }
    }

    fn array(values: impl IntoIterator<Item = Value>) -> Value {
        Value::Array(values.into_iter().collect())
    }

    fn string(text: impl AsRef<[u8]>) -> Value {
        Value::BulkString(text.as_ref().to_vec())
    }

    fn stream_entry(offset: u64) -> Value {
        stream_entry_with(offset, &codec::encode(&Publication::new("hello")))
    }

    fn stream_entry_with(offset: u64, data: &[u8]) -> Value {
        let data = string(data);
        let fields = ["p", "5", "c", "0", "t", "0", "d"].map(string).into_iter().chain([data]);
        array([string(format!("{offset}-5")), array(fields)])
    }

    fn read_page(reply: Value, range: Range) -> Result<Page, BusError> {
        page(&RoomName::new("room").unwrap(), reply, range)
    }

    #[test]
    fn an_entry_that_cannot_be_decoded_is_a_gap() {
        let position = |offset| Position { epoch: Epoch(0xff), offset, tag: Tag(5) };
        let read = |offsets: &[u64], top: &str| {
            let entry = |offset: u64| match offset {
                5 => stream_entry_with(5, b"\x10"),
                6 => array([string("6-5"), array([])]),
                offset => stream_entry(offset),
            };
            let entries = array(offsets.iter().map(|offset| entry(*offset)));
            let reply = array(["ff", top, "5", "3-5"].map(string).into_iter().chain([entries]));
            read_page(reply, Range::forwards(Limit::NONE).at(offsets[0])).unwrap()
        };
        let around = read(&[3, 4, 5, 6, 7, 8], "8");
        assert_eq!(around.entries.len(), 4);
        assert_eq!(around.after(&position(4)), Err(GapReason::Trimmed));
        assert_eq!(around.after(&position(7)).map(<[_]>::len), Ok(1));
        // At the end of a history, a reader comes to it in two steps.
        let last = read(&[3, 4, 5], "5");
        assert_eq!((last.entries.len(), last.remaining), (2, 1));
        assert_eq!(read(&[4, 5], "5").after(&position(4)), Err(GapReason::Trimmed));
        assert_eq!(read(&[5], "5").after(&position(5)).map(<[_]>::len), Ok(0));
    }

    #[test]
    fn a_page_ends_at_its_limit_in_bytes_and_counts_the_rest() {
        let reply = |offsets: &[u64]| {
            let entries = array(offsets.iter().map(|offset| stream_entry(*offset)));
            array(["ff", "9", "5", "4-5"].map(string).into_iter().chain([entries]))
        };
        let range = Range::forwards(Limit { count: 9, bytes: 15 });
        let read = read_page(reply(&[4, 5, 6, 7]), range).unwrap();
        assert_eq!((read.entries.len(), read.remaining, read.top.offset), (3, 3, 9));
        let range = Range::backwards(Limit { count: 9, bytes: 0 });
        let read = read_page(reply(&[9, 8, 7]), range).unwrap();
        assert_eq!((read.entries.len(), read.remaining), (2, 4));
        assert_eq!(read_page(reply(&[]), range).unwrap().remaining, 0);
    }

    #[test]
    fn an_unexpected_reply_is_an_error() {
        let range = Range::forwards(Limit::NONE);
        let entries = array([array([string("1"), array([])])]);
        let replies = [
            Value::Nil,
            array([]),
            array([string("ff"), string("1"), string("x")]),
            array(["ff", "1", "5", "1-5"].map(string)),
            array(["ff", "1", "5", "1-5"].map(string).into_iter().chain([entries])),
        ];
        for reply in replies {
            let error = read_page(reply, range).unwrap_err();
            assert!(error.to_string().contains("did not return"), "{error}");
        }
        assert!(position(&Value::Int(1)).is_err());
    }
}
