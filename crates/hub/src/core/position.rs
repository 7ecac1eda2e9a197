use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// The life of a room's history. Offsets of different epochs say nothing about each other: a store
/// that lost or replaced a history gives it a new epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Epoch(pub u64);

/// A value that identifies the publication at an offset, beside the offset itself: 32 random bits,
/// or the timestamp of a store that has one. A store that was rolled back hands out its offsets a
/// second time, and only the tag tells the publications apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tag(pub u64);

impl Tag {
    /// The tag of offset 0, which no publication has.
    pub const NONE: Self = Self(0);
}

/// A place in a room's history: all publications up to and including `offset` were seen. Clients
/// treat its text as opaque, and present it to recover what they missed.
///
/// ```
/// use sockeye_hub::core::{Epoch, Position, Tag};
///
/// let position = Position { epoch: Epoch(0x5eed), offset: 42, tag: Tag(0xc0de) };
/// assert_eq!(position.to_string(), "5eed.42.c0de");
/// assert_eq!("5eed.42.c0de".parse(), Ok(position));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// The life of the history that `offset` counts in.
    pub epoch: Epoch,
    /// The number of publications since the beginning of the epoch. The first one has offset 1; 0
    /// is the position before it.
    pub offset: u64,
    /// The tag of the publication at `offset`; [`Tag::NONE`] at offset 0.
    pub tag: Tag,
}

impl Position {
    /// Returns the position before the first publication of an epoch.
    pub const fn start(epoch: Epoch) -> Self {
        Self { epoch, offset: 0, tag: Tag::NONE }
    }
}

/// Formats the position as `EPOCH.OFFSET.TAG`, with epoch and tag in hexadecimal.
impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}.{}.{:x}", self.epoch.0, self.offset, self.tag.0)
    }
}

impl FromStr for Position {
    type Err = ParsePositionError;

    /// Parses the text of a position. Accepts only what [`Display`](fmt::Display) writes, so that
    /// equal positions have equal texts.
    fn from_str(text: &str) -> Result<Self, ParsePositionError> {
        let mut parts = text.split('.');
        let (Some(epoch), Some(offset), Some(tag), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(ParsePositionError);
        };
        let position = Self {
            epoch: Epoch(u64::from_str_radix(epoch, 16).map_err(|_| ParsePositionError)?),
            offset: offset.parse().map_err(|_| ParsePositionError)?,
            tag: Tag(u64::from_str_radix(tag, 16).map_err(|_| ParsePositionError)?),
        };
        if position.to_string() == text { Ok(position) } else { Err(ParsePositionError) }
    }
}

/// A text is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParsePositionError;

impl fmt::Display for ParsePositionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a position such as 5eed.42.c0de: epoch, offset and tag")
    }
}

impl Error for ParsePositionError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_position_is_parsed_to_the_same_position() {
        for (epoch, offset, tag) in [(0, 0, 0), (1, 2, 3), (u64::MAX, u64::MAX, u64::MAX)] {
            let position = Position { epoch: Epoch(epoch), offset, tag: Tag(tag) };
            assert_eq!(position.to_string().parse(), Ok(position));
        }
    }

    #[test]
    fn other_spellings_and_other_texts_are_refused() {
        let texts = concat!(
            ", .,..,1.2,1.2.3.4,1..3,g.2.3,1.2.g,1.a.3,01.2.3,1.02.3,A.2.3,+1.2.3,1.+2.3,",
            "1.2.3 ,1.-2.3,1.18446744073709551616.3,10000000000000000.2.3",
        );
        for text in texts.split(',') {
            assert_eq!(text.parse::<Position>(), Err(ParsePositionError), "{text:?}");
        }
    }
}
