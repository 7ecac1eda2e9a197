use std::error::Error;
use std::fmt;

/// The maximum length of a template, in bytes. Chosen: ten times the longest of Google's APIs.
pub(super) const MAX_LENGTH: usize = 2048;

/// The maximum number of segments. Chosen likewise; bounds the depth of recursions.
pub(super) const MAX_SEGMENTS: usize = 128;

/// A text that is not a path template, with the place of the fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TemplateError {
    /// The column of the fault in bytes, from 1.
    pub column: usize,
    /// The rule that the text breaks.
    pub fault: TemplateFault,
}

/// The rule that a text breaks, and so is not a [`Template`](super::Template).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TemplateFault {
    /// The text does not begin with a slash.
    NoSlash,
    /// The text is longer than [`Template::MAX_LENGTH`](super::Template::MAX_LENGTH).
    TooLong,
    /// There are more segments than [`Template::MAX_SEGMENTS`](super::Template::MAX_SEGMENTS).
    TooManySegments,
    /// Nothing is between two slashes, or after the last one.
    EmptySegment,
    /// The character must not stand there.
    InvalidCharacter(char),
    /// A `%` is not followed by two hexadecimal digits, or the escapes are not UTF-8.
    InvalidEscape,
    /// A `*` is beside other characters of its segment.
    WildcardInSegment,
    /// There is another `**` before.
    SecondMulti,
    /// A variable is in another.
    NestedVariable,
    /// The closing brace of a variable is missing.
    UnterminatedVariable,
    /// A variable shares its segment with other text.
    TextAtVariable,
    /// A variable contains a colon.
    ColonInVariable,
    /// The name in a variable does not consist of identifiers between dots.
    InvalidFieldPath,
    /// Another variable binds the field, a part of it, or a message around it.
    RepeatedVariable,
    /// Nothing follows the colon of the verb.
    EmptyVerb,
    /// A colon is not in the last segment.
    VerbInside,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.fault)
    }
}

impl Error for TemplateError {}

impl fmt::Display for TemplateFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::NoSlash => "a template must begin with a slash",
            Self::TooLong => {
                return write!(f, "a template has at most {MAX_LENGTH} bytes");
            }
            Self::TooManySegments => {
                return write!(f, "a template has at most {MAX_SEGMENTS} segments");
            }
            Self::EmptySegment => "expected a segment: a literal, *, ** or a variable",
            Self::InvalidCharacter(character) => {
                return write!(f, "the character {character:?} must not stand here");
            }
            Self::InvalidEscape => {
                "expected two hexadecimal digits after %, and UTF-8 once the escapes are decoded"
            }
            Self::WildcardInSegment => "a wildcard must be a whole segment: * or **",
            Self::SecondMulti => "a template has at most one **",
            Self::NestedVariable => "a variable must not contain another",
            Self::UnterminatedVariable => "the variable has no closing brace",
            Self::TextAtVariable => "a variable must be followed by a slash, a verb or the end",
            Self::ColonInVariable => "a verb must be after the closing brace of a variable",
            Self::InvalidFieldPath => {
                "expected the name of a field: identifiers of letters, digits and _ between dots"
            }
            Self::RepeatedVariable => "another variable binds this field or a part of it",
            Self::EmptyVerb => "expected a verb after the colon",
            Self::VerbInside => "a verb must be at the end of the template",
        };
        f.write_str(text)
    }
}
