use std::borrow::Borrow;
use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The name of a room: 1 to 255 bytes of UTF-8 without control characters. No character has a
/// special meaning; buses encode names for their brokers, so that a `*` or `>` in a name never
/// becomes a wildcard. Clones share the text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoomName(Arc<str>);

impl RoomName {
    /// The maximum length of a name, in bytes of UTF-8. Centrifugo's default for channel names.
    pub const MAX_LENGTH: usize = 255;

    /// Checks a name.
    ///
    /// # Errors
    /// For a name that is empty, has more than [`MAX_LENGTH`](Self::MAX_LENGTH) bytes, or contains
    /// a control character.
    pub fn new(name: &str) -> Result<Self, RoomNameError> {
        if name.is_empty() {
            return Err(RoomNameError::Empty);
        }
        if name.len() > Self::MAX_LENGTH {
            return Err(RoomNameError::TooLong { length: name.len() });
        }
        // Usual names are of printable ASCII, which is tested without a branch for each byte.
        let is_plain = |plain, byte| plain & matches!(byte, b' '..=b'~');
        if name.bytes().fold(true, is_plain) {
            return Ok(Self(name.into()));
        }
        match name.chars().find(|character| character.is_control()) {
            Some(character) => Err(RoomNameError::ControlCharacter { character }),
            None => Ok(Self(name.into())),
        }
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for RoomName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for RoomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// A text is not the name of a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RoomNameError {
    /// The name is empty.
    Empty,
    /// The name has more than [`RoomName::MAX_LENGTH`] bytes.
    TooLong {
        /// The length of the name in bytes.
        length: usize,
    },
    /// The name contains a control character.
    ControlCharacter {
        /// The first control character.
        character: char,
    },
}

impl fmt::Display for RoomNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("a room's name is empty"),
            Self::TooLong { length } => {
                write!(f, "a room's name of {length} bytes is longer than {}", RoomName::MAX_LENGTH)
            }
            Self::ControlCharacter { character } => {
                write!(f, "a room's name contains the control character {character:?}")
            }
        }
    }
}

impl Error for RoomNameError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        assert_eq!(
            RoomName::new("room:42 > * ö").map(|name| name.to_string()),
            Ok("room:42 > * ö".into())
        );
        assert_eq!(RoomName::new(""), Err(RoomNameError::Empty));
        assert!(RoomName::new(&"a".repeat(255)).is_ok());
        assert_eq!(RoomName::new(&"a".repeat(256)), Err(RoomNameError::TooLong { length: 256 }));
        for character in ['\n', '\u{7f}', '\u{9f}'] {
            let error = RoomNameError::ControlCharacter { character };
            assert_eq!(RoomName::new(&format!("a{character}ö")), Err(error));
        }
    }
}
