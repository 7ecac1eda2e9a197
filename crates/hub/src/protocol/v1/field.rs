//! The types of the fields of messages, and their binary form. `binary.rs` encodes whole messages.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, BufMut, Bytes};
use serde::de::Error as _;
use serde::ser::SerializeStruct;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use sockeye::{Message, Utf8Bytes};

use crate::core::{Epoch, NodeId, Position, SessionId, Tag};

/// A field, or a group of fields, in the binary encoding.
pub(crate) trait Field: Sized {
    fn put(&self, out: &mut Vec<u8>);
    fn take(input: &mut Bytes) -> Result<Self, Malformed>;
}

/// A field that JSON omits in its most frequent state.
pub(crate) trait Absent {
    fn is_absent(&self) -> bool {
        false
    }
}

/// The fault of a binary message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Malformed {
    Truncated,
    Varint,
    Utf8,
    /// A byte that is none of the values of its field.
    Byte(u8),
    Filter,
    Trailing(usize),
}

impl Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Truncated => f.write_str("the message ends within a field"),
            Self::Varint => f.write_str("a number has more than 64 bits"),
            Self::Utf8 => f.write_str("a text is not UTF-8"),
            Self::Byte(byte) => write!(f, "expected 0 or 1, found the byte {byte:#x}"),
            Self::Filter => f.write_str("a filter is malformed"),
            Self::Trailing(length) => write!(f, "{length} bytes follow the last field"),
        }
    }
}

/// A value that is text in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct AsText<T>(pub(crate) T);

/// A JSON value, as its text. Bytes that are not JSON become a string in JSON: their text, or their
/// base64 if they are not UTF-8. Empty for none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Json(pub(crate) Bytes);

/// A message in the fields `data` and `binary`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Payload(pub(crate) Message);

/// Names and values, sorted by name.
pub(crate) type Tags = BTreeMap<Box<str>, Box<str>>;

/// A type with a text form.
pub(crate) trait Text: Display + Sized {
    fn parse(text: &str) -> Option<Self>;
}

impl Text for Position {
    fn parse(text: &str) -> Option<Self> {
        Self::from_str(text).ok()
    }
}

impl Text for SessionId {
    fn parse(text: &str) -> Option<Self> {
        let (node, number) = text.split_once('-')?;
        let node = NodeId(u64::from_str_radix(node, 16).ok()?);
        let id = Self { node, number: u64::from_str_radix(number, 16).ok()? };
        // Other spellings, such as a sign, are refused.
        (id.to_string() == text).then_some(id)
    }
}

impl<T: Text> Serialize for AsText<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

impl<'de, T: Text> Deserialize<'de> for AsText<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<str>::deserialize(deserializer)?;
        let value = T::parse(&text);
        value.map(Self).ok_or_else(|| D::Error::custom(format_args!("unexpected text {text:?}")))
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(&self.0) {
            Ok(text) => serialize_text(text, serializer),
            Err(_) => serializer.serialize_str(&STANDARD.encode(&self.0)),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let raw = Box::<RawValue>::deserialize(deserializer)?;
        Ok(Self(Box::<str>::from(raw).into_string().into()))
    }
}

/// Serializes text that is JSON as its value, and other text as a string.
fn serialize_text<S: Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    match serde_json::from_str::<&RawValue>(text) {
        Ok(value) => value.serialize(serializer),
        Err(_) => serializer.serialize_str(text),
    }
}

impl Payload {
    /// Returns the message of the fields in JSON.
    ///
    /// # Errors
    /// The fault.
    pub(crate) fn from_json(data: Json, binary: bool) -> Result<Self, &'static str> {
        if data.0.is_empty() {
            return Err("the field `data` is missing");
        }
        if binary {
            let text: String = serde_json::from_slice(&data.0).map_err(|_| BASE64)?;
            let bytes = STANDARD.decode(text).map_err(|_| BASE64)?;
            return Ok(Self(Message::Binary(bytes.into())));
        }
        // JSON is UTF-8.
        Ok(Self(Message::Text(Utf8Bytes::try_from(data.0).map_err(|_| "the data is not UTF-8")?)))
    }
}

const BASE64: &str = "binary data is a string of base64";

impl Serialize for Payload {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Message::Text(text) => {
                let mut fields = serializer.serialize_struct("Payload", 1)?;
                fields.serialize_field("data", &TextOrJson(text))?;
                fields.end()
            }
            Message::Binary(bytes) => {
                let mut fields = serializer.serialize_struct("Payload", 2)?;
                fields.serialize_field("data", &STANDARD.encode(bytes))?;
                fields.serialize_field("binary", &true)?;
                fields.end()
            }
        }
    }
}

struct TextOrJson<'a>(&'a str);

impl Serialize for TextOrJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_text(self.0, serializer)
    }
}

impl Absent for Box<str> {}
impl Absent for u64 {}
impl Absent for u32 {}
impl<T> Absent for AsText<T> {}

impl Absent for bool {
    fn is_absent(&self) -> bool {
        !self
    }
}

impl<T> Absent for Option<T> {
    fn is_absent(&self) -> bool {
        self.is_none()
    }
}

impl<T> Absent for Vec<T> {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Absent for Tags {
    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

impl Absent for Json {
    fn is_absent(&self) -> bool {
        self.0.is_empty()
    }
}

impl Field for u64 {
    fn put(&self, out: &mut Vec<u8>) {
        let mut rest = *self;
        while rest >= 0x80 {
            out.push(rest.to_le_bytes()[0] | 0x80);
            rest >>= 7;
        }
        out.push(rest.to_le_bytes()[0]);
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = input.try_get_u8().map_err(|_| Malformed::Truncated)?;
            let bits = Self::from(byte & 0x7f);
            // The tenth byte has one bit of the 64.
            if shift == 63 && byte > 1 {
                return Err(Malformed::Varint);
            }
            value |= bits << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed::Varint)
    }
}

impl Field for u32 {
    fn put(&self, out: &mut Vec<u8>) {
        u64::from(*self).put(out);
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        Self::try_from(u64::take(input)?).map_err(|_| Malformed::Varint)
    }
}

impl Field for bool {
    fn put(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        match input.try_get_u8().map_err(|_| Malformed::Truncated)? {
            0 => Ok(false),
            1 => Ok(true),
            byte => Err(Malformed::Byte(byte)),
        }
    }
}

impl Field for Bytes {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.put_slice(self);
    }

    fn take(input: &mut Self) -> Result<Self, Malformed> {
        let length = usize::try_from(u64::take(input)?).map_err(|_| Malformed::Truncated)?;
        if length > input.len() {
            return Err(Malformed::Truncated);
        }
        Ok(input.split_to(length))
    }
}

impl Field for Box<str> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        out.put_slice(self.as_bytes());
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        let bytes: Bytes = Field::take(input)?;
        std::str::from_utf8(&bytes).map(Into::into).map_err(|_| Malformed::Utf8)
    }
}

impl<T: Field> Field for Option<T> {
    fn put(&self, out: &mut Vec<u8>) {
        self.is_some().put(out);
        if let Some(value) = self {
            value.put(out);
        }
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        if bool::take(input)? { T::take(input).map(Some) } else { Ok(None) }
    }
}

impl<T: Field> Field for Vec<T> {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        for item in self {
            item.put(out);
        }
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        // Collects only as many as there are bytes for.
        (0..u64::take(input)?).map(|_| T::take(input)).collect()
    }
}

impl Field for Tags {
    fn put(&self, out: &mut Vec<u8>) {
        (self.len() as u64).put(out);
        for (name, value) in self {
            name.put(out);
            value.put(out);
        }
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        (0..u64::take(input)?).map(|_| Ok((Field::take(input)?, Field::take(input)?))).collect()
    }
}

impl Field for Json {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.put(out);
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        Field::take(input).map(Self)
    }
}

impl Field for Payload {
    fn put(&self, out: &mut Vec<u8>) {
        let (is_binary, bytes) = match &self.0 {
            Message::Text(text) => (false, text.as_bytes()),
            Message::Binary(bytes) => (true, &bytes[..]),
        };
        is_binary.put(out);
        (bytes.len() as u64).put(out);
        out.put_slice(bytes);
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        let is_binary = bool::take(input)?;
        let bytes: Bytes = Field::take(input)?;
        Ok(Self(if is_binary {
            Message::Binary(bytes)
        } else {
            Message::Text(Utf8Bytes::try_from(bytes).map_err(|_| Malformed::Utf8)?)
        }))
    }
}

impl Field for AsText<Position> {
    fn put(&self, out: &mut Vec<u8>) {
        let Self(Position { epoch, offset, tag }) = self;
        out.put_u64(epoch.0);
        offset.put(out);
        tag.0.put(out);
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        let epoch = Epoch(input.try_get_u64().map_err(|_| Malformed::Truncated)?);
        let offset = u64::take(input)?;
        Ok(Self(Position { epoch, offset, tag: Tag(u64::take(input)?) }))
    }
}

impl Field for AsText<SessionId> {
    fn put(&self, out: &mut Vec<u8>) {
        self.0.node.0.put(out);
        self.0.number.put(out);
    }

    fn take(input: &mut Bytes) -> Result<Self, Malformed> {
        let node = NodeId(u64::take(input)?);
        Ok(Self(SessionId { node, number: u64::take(input)? }))
    }
}
