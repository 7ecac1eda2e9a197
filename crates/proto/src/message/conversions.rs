//! Conversions of strings and bytes into messages, and comparisons of messages with text.
//!
//! Strings become text messages, bytes binary ones. Owned values are converted without a copy.

use std::borrow::Cow;

use bytes::{Bytes, BytesMut};

use super::{Message, MessageRef};
use crate::text::Utf8Bytes;

/// Implements `From` for types that convert into `Utf8Bytes` or `Bytes`.
macro_rules! message_from {
    ($($variant:ident: $($from:ty),+;)+) => {$($(
        impl From<$from> for Message {
            fn from(payload: $from) -> Self {
                Self::$variant(payload.into())
            }
        }
    )+)+};
}

message_from! {
    Text: &str, &String, String, Box<str>, Cow<'_, str>, Utf8Bytes;
    Binary: Vec<u8>, Box<[u8]>, Bytes, BytesMut;
}

impl From<&[u8]> for Message {
    fn from(bytes: &[u8]) -> Self {
        Self::Binary(Bytes::copy_from_slice(bytes))
    }
}

impl<const N: usize> From<&[u8; N]> for Message {
    fn from(bytes: &[u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl<const N: usize> From<[u8; N]> for Message {
    fn from(bytes: [u8; N]) -> Self {
        bytes.as_slice().into()
    }
}

impl From<MessageRef<'_>> for Message {
    fn from(message: MessageRef<'_>) -> Self {
        match message {
            MessageRef::Text(text) => text.into(),
            MessageRef::Binary(bytes) => bytes.into(),
        }
    }
}

impl<'a> From<&'a str> for MessageRef<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a String> for MessageRef<'a> {
    fn from(text: &'a String) -> Self {
        Self::Text(text)
    }
}

impl<'a> From<&'a [u8]> for MessageRef<'a> {
    fn from(bytes: &'a [u8]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a, const N: usize> From<&'a [u8; N]> for MessageRef<'a> {
    fn from(bytes: &'a [u8; N]) -> Self {
        Self::Binary(bytes)
    }
}

impl<'a> From<&'a Message> for MessageRef<'a> {
    fn from(message: &'a Message) -> Self {
        message.as_ref()
    }
}

/// A binary message equals no text.
impl PartialEq<str> for Message {
    fn eq(&self, other: &str) -> bool {
        self.as_text() == Some(other)
    }
}

/// A binary message equals no text.
impl PartialEq<&str> for Message {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

/// A binary message equals no text.
impl PartialEq<str> for MessageRef<'_> {
    fn eq(&self, other: &str) -> bool {
        self.as_text() == Some(other)
    }
}

/// A binary message equals no text.
impl PartialEq<&str> for MessageRef<'_> {
    fn eq(&self, other: &&str) -> bool {
        self == *other
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_become_text() {
        let owned = String::from("salmon");
        let messages: [Message; 6] = [
            "salmon".into(),
            (&owned).into(),
            Cow::Borrowed("salmon").into(),
            Cow::<str>::Owned(owned.clone()).into(),
            Box::<str>::from("salmon").into(),
            owned.into(),
        ];
        for message in messages {
            assert_eq!(message, Message::Text(Utf8Bytes::from_static("salmon")));
        }
    }

    #[test]
    fn bytes_become_binary() {
        let messages: [Message; 5] = [
            [1, 2].into(),
            (&[1, 2]).into(),
            vec![1, 2].into(),
            vec![1, 2].into_boxed_slice().into(),
            BytesMut::from([1, 2].as_slice()).into(),
        ];
        for message in messages {
            assert_eq!(message, Message::Binary(Bytes::from_static(&[1, 2])));
        }
    }

    #[test]
    fn a_message_is_compared_with_text() {
        let text = Message::from("salmon");
        assert_eq!(text, "salmon");
        assert_eq!(text, *"salmon");
        assert_ne!(text, "trout");
        assert_eq!(text.as_ref(), "salmon");
        assert_ne!(Message::from(b"salmon"), "salmon", "a binary message equals no text");
        assert_eq!(text.into_text().map(String::from).as_deref(), Some("salmon"));
    }
}
