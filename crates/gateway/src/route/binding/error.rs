use std::error::Error;
use std::fmt;

/// The maximum number of parts of a name. Chosen: below the depth that parsers of JSON and of
/// protobuf accept.
pub(super) const MAX_DEPTH: usize = 64;

/// The reason why a path variable or a query parameter cannot be bound. All of them are faults of
/// the client, except where a template names such a field.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum BindError {
    /// The message has no such field.
    UnknownField {
        /// The name.
        name: Box<str>,
    },
    /// A name goes on behind a field that is not a message.
    NotAMessage {
        /// The name.
        name: Box<str>,
    },
    /// The field is a message, which has no form as text.
    IsMessage {
        /// The name.
        name: Box<str>,
    },
    /// A name goes on behind a repeated field or a map.
    InsideRepeated {
        /// The name.
        name: Box<str>,
    },
    /// A path variable names a repeated field or a map.
    RepeatedVariable {
        /// The name.
        name: Box<str>,
    },
    /// The field is a map and the name has no key, or the reverse.
    Key {
        /// The name.
        name: Box<str>,
    },
    /// A field that is not repeated, or an entry of a map, has two values.
    Twice {
        /// The name.
        name: Box<str>,
    },
    /// Another field of the same oneof has a value.
    Oneof {
        /// The name.
        name: Box<str>,
    },
    /// The name has more than 64 parts.
    TooDeep {
        /// The name.
        name: Box<str>,
    },
    /// The value is not of the field's type.
    Value {
        /// The name.
        name: Box<str>,
        /// The form that was expected.
        expected: &'static str,
    },
}

/// Returns a name, or its beginning if it is too long for an error.
pub(super) fn shortened(name: &str) -> Box<str> {
    match name.char_indices().nth(64) {
        Some((end, _)) => format!("{}…", &name[..end]).into(),
        None => name.into(),
    }
}

impl fmt::Display for BindError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownField { name } => write!(f, "the request has no field {name:?}"),
            Self::NotAMessage { name } => {
                write!(f, "{name:?} names a part of a field that is not a message")
            }
            Self::IsMessage { name } => {
                write!(f, "{name:?} is a message: its fields must be named one by one")
            }
            Self::InsideRepeated { name } => {
                write!(f, "{name:?} names a part of a repeated field, which text cannot")
            }
            Self::RepeatedVariable { name } => {
                write!(f, "{name:?} is repeated, and a variable of a path has one value")
            }
            Self::Key { name } => {
                write!(f, "{name:?}: a map, and nothing else, needs a key in brackets")
            }
            Self::Twice { name } => write!(f, "{name:?} is given twice, and is not repeated"),
            Self::Oneof { name } => write!(f, "{name:?} excludes another field that is given"),
            Self::TooDeep { name } => {
                write!(f, "{name:?} has more than {MAX_DEPTH} parts")
            }
            Self::Value { name, expected } => write!(f, "the value of {name:?} must be {expected}"),
        }
    }
}

impl Error for BindError {}
