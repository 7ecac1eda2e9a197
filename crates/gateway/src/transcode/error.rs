use std::error::Error;
use std::fmt::{self, Write as _};

use crate::protobuf::{WireError, WireProblem};

pub(super) type Result<T> = std::result::Result<T, TranscodeError>;

/// The most bytes of a name or key from the input that an error repeats.
const MAX_NAME: usize = 64;

/// A message that cannot be transcoded: the reason, the field, and the place in the input.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TranscodeError(Box<Details>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Details {
    problem: Problem,
    offset: Option<usize>,
    /// From the innermost to the outermost.
    path: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Field(Box<str>),
    Index(usize),
    Key(Box<str>),
}

/// The reason why a message cannot be transcoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Problem {
    /// The text is not JSON.
    Syntax {
        /// The forms that JSON allows there.
        expected: &'static str,
    },
    /// A text is not UTF-8.
    Utf8,
    /// Text follows the value.
    TrailingText,
    /// A value has another JSON type than its field needs.
    Type {
        /// The type that is needed.
        expected: &'static str,
        /// The JSON type of the value.
        found: &'static str,
    },
    /// A value has the right JSON type, but the field cannot hold it.
    Value {
        /// The values that the field can hold.
        expected: &'static str,
    },
    /// The message has no field of this name.
    UnknownField,
    /// The enum has no value of this name, or, if it is closed, of this number.
    UnknownEnumValue,
    /// The set of descriptors has no type of this name for an `Any`.
    UnknownType,
    /// A field has a value already.
    DuplicateField,
    /// A map has a value for this key already.
    DuplicateKey,
    /// Another member of the same oneof has a value already.
    OneofConflict,
    /// The types of nested `Any`s come so late that finding them takes too long.
    LateType,
    /// Messages are nested too deep.
    TooDeep {
        /// The limit.
        limit: u32,
    },
    /// The output is too large.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The message is malformed in protobuf's binary format.
    Wire(WireProblem),
    /// A value has no form in JSON.
    NoJsonForm {
        /// The values that have one.
        expected: &'static str,
    },
}

impl TranscodeError {
    #[cold]
    pub(super) fn new(problem: Problem, offset: usize) -> Self {
        Self(Box::new(Details { problem, offset: Some(offset), path: Vec::new() }))
    }

    /// An error without a place in the input.
    #[cold]
    pub(super) fn of_value(problem: Problem) -> Self {
        Self(Box::new(Details { problem, offset: None, path: Vec::new() }))
    }

    #[cold]
    pub(super) fn no_json_form(expected: &'static str) -> Self {
        Self::of_value(Problem::NoJsonForm { expected })
    }

    #[cold]
    pub(super) fn in_field(mut self, name: &str) -> Self {
        self.0.path.push(Segment::Field(shortened(name)));
        self
    }

    #[cold]
    pub(super) fn in_element(mut self, index: usize) -> Self {
        self.0.path.push(Segment::Index(index));
        self
    }

    #[cold]
    pub(super) fn in_entry(mut self, key: &str) -> Self {
        self.0.path.push(Segment::Key(shortened(key)));
        self
    }

    /// The reason.
    pub fn problem(&self) -> Problem {
        self.0.problem
    }

    /// The offset in the input, in bytes, if the problem has a place there.
    pub fn offset(&self) -> Option<usize> {
        self.0.offset
    }

    /// The field at fault, as in `user.tags[2]` or `labels["a"]`; empty for the whole message.
    pub fn path(&self) -> String {
        let mut path = String::new();
        for segment in self.0.path.iter().rev() {
            // Writing to a string does not fail.
            let _ = match segment {
                Segment::Field(name) if path.is_empty() => write!(path, "{}", name.escape_debug()),
                Segment::Field(name) => write!(path, ".{}", name.escape_debug()),
                Segment::Index(index) => write!(path, "[{index}]"),
                Segment::Key(key) => write!(path, "[{key:?}]"),
            };
        }
        path
    }
}

/// The beginning of a name from the input.
fn shortened(name: &str) -> Box<str> {
    let mut end = name.len().min(MAX_NAME);
    while !name.is_char_boundary(end) {
        end -= 1;
    }
    if end < name.len() { format!("{}...", &name[..end]).into() } else { name.into() }
}

impl From<WireError> for TranscodeError {
    #[cold]
    fn from(error: WireError) -> Self {
        Self::new(Problem::Wire(error.problem), error.offset)
    }
}

impl fmt::Display for TranscodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path();
        if !path.is_empty() {
            write!(f, "{path}: ")?;
        }
        self.0.problem.fmt(f)?;
        match self.0.offset {
            Some(offset) => write!(f, " (byte {offset})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax { expected } => write!(f, "invalid JSON, expected {expected}"),
            Self::Utf8 => f.write_str("invalid UTF-8"),
            Self::TrailingText => f.write_str("invalid JSON, text after the value"),
            Self::Type { expected, found } => write!(f, "expected {expected}, found {found}"),
            Self::Value { expected } => write!(f, "expected {expected}"),
            Self::UnknownField => f.write_str("unknown field"),
            Self::UnknownEnumValue => f.write_str("unknown value of the enum"),
            Self::UnknownType => f.write_str("unknown type"),
            Self::DuplicateField => f.write_str("the field is set twice"),
            Self::DuplicateKey => f.write_str("the key occurs twice"),
            Self::OneofConflict => f.write_str("another field of the same oneof is set"),
            Self::LateType => f.write_str("\"@type\" comes too late in nested messages"),
            Self::TooDeep { limit } => write!(f, "nested more than {limit} deep"),
            Self::TooLarge { limit } => write!(f, "more than {limit} bytes of output"),
            Self::Wire(problem) => write!(f, "malformed protobuf, {problem}"),
            Self::NoJsonForm { expected } => write!(f, "no form in JSON, expected {expected}"),
        }
    }
}

impl Error for TranscodeError {}
