use std::error::Error;
use std::fmt;

use super::Pool;
use crate::protobuf::WireError;

/// A set of descriptors that is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct DescriptorError {
    /// The name of the file; empty if the set itself is at fault.
    pub file: String,
    /// The reason.
    pub problem: DescriptorProblem,
}

/// The reason why a set of descriptors is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DescriptorProblem {
    /// The set has more bytes than [`Pool::MAX_SIZE`].
    TooLarge {
        /// The number of bytes.
        size: usize,
    },
    /// The set has more of something than the limit.
    TooMany {
        /// The thing, in the plural.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Messages are declared within each other more than [`Pool::MAX_NESTING`] deep.
    TooDeep,
    /// The file is not in protobuf's binary format.
    Malformed(WireError),
    /// Text in the file is not UTF-8, or is longer than [`Pool::MAX_NAME`].
    Text,
    /// A name is not an identifier.
    Name(String),
    /// The file declares neither `proto2`, `proto3` nor an edition.
    Syntax(String),
    /// Two files of the set have this name and different content.
    OtherContent,
    /// A name is declared twice.
    Duplicate {
        /// The full name.
        name: String,
    },
    /// A type is not in the set.
    UnknownType {
        /// The full name of the field, or the method, that needs it.
        element: String,
        /// The name of the type.
        type_name: String,
    },
    /// A declaration contradicts itself or another.
    Invalid {
        /// The full name of the element.
        element: String,
        /// The rule that it breaks.
        expected: &'static str,
    },
}

impl fmt::Display for DescriptorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.file.is_empty() {
            f.write_str("set of descriptors: ")?;
        } else {
            write!(f, "descriptor of {:?}: ", self.file)?;
        }
        match &self.problem {
            DescriptorProblem::TooLarge { size } => {
                write!(f, "{size} bytes, more than the limit of {}", Pool::MAX_SIZE)
            }
            DescriptorProblem::TooMany { what, limit } => write!(f, "more than {limit} {what}"),
            DescriptorProblem::TooDeep => {
                write!(f, "messages nested more than {} deep", Pool::MAX_NESTING)
            }
            DescriptorProblem::Malformed(error) => error.fmt(f),
            DescriptorProblem::Text => {
                write!(f, "a text is not UTF-8 or longer than {} bytes", Pool::MAX_NAME)
            }
            DescriptorProblem::Name(name) => write!(f, "{name:?} is not an identifier"),
            DescriptorProblem::Syntax(syntax) => {
                write!(f, "syntax {syntax:?}, expected proto2, proto3 or an edition")
            }
            DescriptorProblem::OtherContent => {
                f.write_str("the set has two files of this name with different content")
            }
            DescriptorProblem::Duplicate { name } => write!(f, "{name} is declared twice"),
            DescriptorProblem::UnknownType { element, type_name } => {
                write!(f, "{element} needs {type_name:?}, which is not in the set")
            }
            DescriptorProblem::Invalid { element, expected } => {
                write!(f, "{element}: expected {expected}")
            }
        }
    }
}

impl Error for DescriptorError {}

impl From<WireError> for DescriptorProblem {
    fn from(error: WireError) -> Self {
        Self::Malformed(error)
    }
}
