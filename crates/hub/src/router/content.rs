use std::error::Error;
use std::fmt;

use sockeye::Utf8Bytes;
use sockeye::bytes::Bytes;

use super::CommandName;

/// The content of a command, a reply or an event, in the form in which it came or was made. The
/// extractors convert a command's content, and the [codec](super::codec) converts that of a reply.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Content {
    /// No content: `null` in JSON.
    #[default]
    Empty,
    /// One JSON value, as text. Not checked: a text that is not one JSON value makes a reply that
    /// the client cannot read.
    Json(Utf8Bytes),
    /// Text.
    Text(Utf8Bytes),
    /// Bytes.
    Binary(Bytes),
}

impl Content {
    /// Returns the bytes of the content, in the form that it has.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Empty => &[],
            Self::Json(text) | Self::Text(text) => text.as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }

    /// Returns the length of the content, in bytes.
    pub fn len(&self) -> usize {
        self.as_bytes().len()
    }

    /// Returns whether the content has no bytes.
    pub fn is_empty(&self) -> bool {
        self.as_bytes().is_empty()
    }
}

/// A value that becomes the content of a reply or an event: [`Json`](super::Json), text, bytes, or
/// `()` for none.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no content of a reply or an event",
    note = "wrap a value that implements `Serialize` in `Json`"
)]
pub trait IntoContent {
    /// Converts the value.
    ///
    /// # Errors
    /// [`EncodeError::Json`] for a value that has no JSON form.
    fn into_content(self) -> Result<Content, EncodeError>;
}

macro_rules! into_content {
    ($($pattern:pat in $from:ty => $content:expr;)+) => {$(
        impl IntoContent for $from {
            fn into_content(self) -> Result<Content, EncodeError> {
                let $pattern = self;
                Ok($content)
            }
        }
    )+};
}

into_content! {
    () in () => Content::Empty;
    content in Content => content;
    text in &str => Content::Text(text.into());
    text in &String => Content::Text(text.into());
    text in String => Content::Text(text.into());
    text in Utf8Bytes => Content::Text(text);
    bytes in Bytes => Content::Binary(bytes);
    bytes in Vec<u8> => Content::Binary(bytes.into());
}

/// A reply or an event has no encoding.
#[derive(Debug)]
#[non_exhaustive]
pub enum EncodeError {
    /// A value has no JSON form, such as a map whose keys are not strings.
    Json(serde_json::Error),
    /// The codec has only numbers for commands and events.
    NotANumber(CommandName),
    /// The content is longer than the codec can express.
    TooLong {
        /// The length of the content, in bytes.
        length: usize,
    },
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Json(error) => write!(f, "the value has no JSON form: {error}"),
            Self::NotANumber(name) => write!(f, "the codec needs a number in place of {name:?}"),
            Self::TooLong { length } => write!(f, "{length} bytes are too long for the codec"),
        }
    }
}

impl Error for EncodeError {}
