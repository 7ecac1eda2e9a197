//! Positions on the wire: `offset` and `epoch`, which is the text of the whole position. See [the
//! module](crate::protocol) for what clients keep of it.

use crate::core::{Epoch, Position};
use crate::protocol::presented::Presented;

/// Returns `offset` and `epoch` of a position; nothing of none.
pub(super) fn to_wire(position: Option<Position>) -> (u64, String) {
    position.map_or((0, String::new()), |position| (position.offset, position.to_string()))
}

/// Returns the position that a client presents.
pub(super) fn from_wire(epoch: &str, offset: u64) -> Presented {
    // An application that has no position yet lets SDKs recover from here.
    if epoch.is_empty() && offset == 0 {
        return Presented::Beginning;
    }
    if let Ok(position) = epoch.parse::<Position>() {
        if position.offset == offset {
            return Presented::Exact(position);
        }
        let earlier = Some(position);
        return Presented::Untagged { epoch: position.epoch, offset, earlier };
    }
    // The epoch alone, in the spelling of positions.
    let bare = u64::from_str_radix(epoch, 16).ok().filter(|bare| format!("{bare:x}") == epoch);
    match bare {
        Some(bare) => Presented::Untagged { epoch: Epoch(bare), offset, earlier: None },
        None => Presented::Foreign,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::Tag;

    #[test]
    fn the_epoch_is_the_text_of_the_position() {
        let position = Position { epoch: Epoch(0x5eed), offset: 42, tag: Tag(0xc0de) };
        assert_eq!(to_wire(Some(position)), (42, "5eed.42.c0de".into()));
        assert_eq!(from_wire("5eed.42.c0de", 42), Presented::Exact(position));
        assert_eq!(to_wire(None), (0, String::new()));
    }

    #[test]
    fn an_offset_without_its_tag_is_told_apart() {
        let epoch = Epoch(0x5eed);
        let earlier = Position { epoch, offset: 42, tag: Tag(0xc0de) };
        let expected = Presented::Untagged { epoch, offset: 43, earlier: Some(earlier) };
        assert_eq!(from_wire("5eed.42.c0de", 43), expected);
        assert_eq!(from_wire("5eed", 7), Presented::Untagged { epoch, offset: 7, earlier: None });
        assert_eq!(from_wire("", 0), Presented::Beginning);
        for foreign in ["", "_", "5EED", "05eed", "5eed.42", "5eed.42.c0de.1", "xyz"] {
            assert_eq!(from_wire(foreign, 42), Presented::Foreign, "{foreign:?}");
        }
    }
}
