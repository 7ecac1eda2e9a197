use bytes::{Buf, BufMut, Bytes};

use crate::bus::codec;
use crate::core::{Epoch, Publication, Tag};
use crate::random;

const PUBLICATION: u8 = 1;
const MARKER: u8 = 2;
const EPOCH: u8 = 3;

/// A message of a room in a stream.
///
/// ```text
/// publication: 1 (1) | tag (8) | the publication
/// marker:      2 (1) | tag (8) | of the publication before it, if there is one: offset (8), tag (8)
/// ```
#[derive(Debug, PartialEq)]
pub(super) enum Record {
    Publication {
        tag: Tag,
        publication: Publication,
    },
    /// Gives a room without retained publications its position: the one of the last publication
    /// that was removed, or the marker's own.
    Marker {
        tag: Tag,
        removed: Option<(u64, Tag)>,
    },
}

/// Returns the tag of a new record: the broker's timestamp would do, but servers before 2.10 do not
/// tell it to subscribers.
pub(super) fn new_tag() -> Tag {
    // 0 is the tag of no publication.
    Tag((random::bits() >> 32).max(1))
}

pub(super) fn encode_publication(tag: Tag, publication: &Publication) -> Bytes {
    let publication = codec::encode(publication);
    let mut out = Vec::with_capacity(9 + publication.len());
    out.put_u8(PUBLICATION);
    out.put_u64(tag.0);
    out.put_slice(&publication);
    out.into()
}

pub(super) fn encode_marker(tag: Tag, removed: Option<(u64, Tag)>) -> Bytes {
    let mut out = Vec::with_capacity(25);
    out.put_u8(MARKER);
    out.put_u64(tag.0);
    if let Some((offset, tag)) = removed {
        out.put_u64(offset);
        out.put_u64(tag.0);
    }
    out.into()
}

/// Encodes the record of a stream's epoch: 3 (1), the epoch (8).
pub(super) fn encode_epoch(epoch: Epoch) -> Bytes {
    let mut out = Vec::with_capacity(9);
    out.put_u8(EPOCH);
    out.put_u64(epoch.0);
    out.into()
}

/// Decodes the record of a stream's epoch; `None` if the bytes are none.
pub(super) fn decode_epoch(mut bytes: Bytes) -> Option<Epoch> {
    let kind = bytes.try_get_u8().ok()?;
    let epoch = Epoch(bytes.try_get_u64().ok()?);
    (kind == EPOCH && bytes.is_empty()).then_some(epoch)
}

impl Record {
    /// Decodes a record; `None` if the bytes are none.
    pub(super) fn decode(mut bytes: Bytes) -> Option<Self> {
        let kind = bytes.try_get_u8().ok()?;
        let tag = Tag(bytes.try_get_u64().ok()?);
        match kind {
            PUBLICATION => Some(Self::Publication { tag, publication: codec::decode(bytes)? }),
            MARKER if bytes.is_empty() => Some(Self::Marker { tag, removed: None }),
            MARKER => {
                let offset = bytes.try_get_u64().ok()?;
                let removed = Some((offset, Tag(bytes.try_get_u64().ok()?)));
                bytes.is_empty().then_some(Self::Marker { tag, removed })
            }
            _ => None,
        }
    }

    /// Returns the position of a reader who has seen this record, which is at `sequence`.
    pub(super) fn place(&self, sequence: u64) -> (u64, Tag) {
        match self {
            Self::Publication { tag, .. } | Self::Marker { tag, removed: None } => (sequence, *tag),
            Self::Marker { removed: Some(removed), .. } => *removed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_decoded_as_they_were_encoded() {
        let publication = Publication::new("hello");
        let bytes = encode_publication(Tag(7), &publication);
        let record = Record::decode(bytes).unwrap();
        assert_eq!(record.place(5), (5, Tag(7)));
        assert_eq!(record, Record::Publication { tag: Tag(7), publication });
        let start = Record::decode(encode_marker(Tag(8), None)).unwrap();
        assert_eq!(start.place(5), (5, Tag(8)));
        let removed = Record::decode(encode_marker(Tag(8), Some((3, Tag(2))))).unwrap();
        assert_eq!(removed.place(5), (3, Tag(2)));
    }

    #[test]
    fn an_epoch_is_no_record_of_a_room() {
        let bytes = encode_epoch(Epoch(7));
        assert_eq!(decode_epoch(bytes.clone()), Some(Epoch(7)));
        assert_eq!(Record::decode(bytes.clone()), None);
        assert_eq!(decode_epoch(bytes.slice(..8)), None);
        assert_eq!(decode_epoch(encode_marker(Tag(7), None)), None);
        assert_eq!(decode_epoch([&bytes[..], &[0]].concat().into()), None);
    }

    #[test]
    fn other_bytes_are_refused() {
        let marker = encode_marker(Tag(8), Some((3, Tag(2))));
        for length in (0..marker.len()).filter(|length| *length != 9) {
            assert_eq!(Record::decode(marker.slice(..length)), None, "{length}");
        }
        let longer = [&marker[..], &[0]].concat();
        assert_eq!(Record::decode(longer.into()), None);
        assert_eq!(Record::decode(Bytes::from_static(b"\x03\0\0\0\0\0\0\0\0")), None);
        assert_eq!(Record::decode(Bytes::from_static(b"hello, world")), None);
    }
}
