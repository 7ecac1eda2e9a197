//! Messages as JSON values (RFC 8259), by serde.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Message, MessageRef};

/// JSON is sent in text messages, and accepted in binary messages as well.
impl Message {
    /// Serializes a value as JSON into a text message.
    ///
    /// # Errors
    /// If the value has no JSON form, such as a map whose keys are not strings, or its `Serialize`
    /// fails.
    pub fn json<T: Serialize + ?Sized>(value: &T) -> serde_json::Result<Self> {
        serde_json::to_string(value).map(Self::from)
    }

    /// Deserializes the payload, text or binary, as one JSON value.
    ///
    /// # Errors
    /// If the payload is not one JSON value, or does not fit `T`. The error names line and column.
    pub fn parse_json<'de, T: Deserialize<'de>>(&'de self) -> serde_json::Result<T> {
        self.as_ref().parse_json()
    }
}

impl<'de> MessageRef<'de> {
    /// Deserializes the payload, text or binary, as one JSON value.
    ///
    /// # Errors
    /// Same as [`Message::parse_json`].
    pub fn parse_json<T: Deserialize<'de>>(self) -> serde_json::Result<T> {
        match self {
            Self::Text(text) => serde_json::from_str(text),
            Self::Binary(bytes) => serde_json::from_slice(bytes),
        }
    }
}

/// The error of sending or receiving a JSON value over a connection whose errors are `E`.
#[derive(Debug)]
#[non_exhaustive]
pub enum JsonError<E> {
    /// The connection failed, independently of JSON.
    Connection(E),
    /// The value or the payload does not meet the requirements of JSON or of the type. The
    /// connection stays usable.
    Json(serde_json::Error),
}

/// Displays the inner error.
impl<E: fmt::Display> fmt::Display for JsonError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connection(error) => error.fmt(f),
            Self::Json(error) => error.fmt(f),
        }
    }
}

impl<E: std::error::Error> std::error::Error for JsonError<E> {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Connection(error) => error.source(),
            Self::Json(error) => error.source(),
        }
    }
}

impl<E> From<E> for JsonError<E> {
    fn from(error: E) -> Self {
        Self::Connection(error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_survives_the_round_trip() {
        let message = Message::json(&[("salmon", 3)]).unwrap();
        assert_eq!(message, r#"[["salmon",3]]"#);
        assert_eq!(message.parse_json::<Vec<(String, u8)>>().unwrap(), [("salmon".into(), 3)]);
        let binary = Message::from(message.into_bytes());
        assert_eq!(binary.parse_json::<Vec<(&str, u8)>>().unwrap(), [("salmon", 3)]);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_its_place() {
        let error = Message::from("[1,\n2").parse_json::<Vec<u8>>().unwrap_err();
        assert_eq!((error.line(), error.column(), error.is_eof()), (2, 1, true));
        assert!(Message::from("1 2").parse_json::<u8>().unwrap_err().is_syntax(), "one value");
        assert!(Message::from("\"a\"").parse_json::<u8>().unwrap_err().is_data());
    }
}
