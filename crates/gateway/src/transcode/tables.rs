use std::collections::HashMap;
use std::fmt;

use super::names::Names;
use super::short_text::ShortText;
use super::text::put_json_string;
use crate::descriptor::{
    Cardinality, DescriptorError, DescriptorProblem, EnumId, Field, Kind, Message, MessageId, Pool,
};
use crate::protobuf::{WireType, put_tag};

/// Messages and enums of a [`Pool`], laid out for transcoding. Ids are those of the pool.
pub struct Tables {
    messages: Box<[MessageTable]>,
    enums: Box<[EnumTable]>,
    by_name: HashMap<Box<str>, MessageId>,
}

#[derive(Debug)]
pub(super) struct MessageTable {
    pub(super) full_name: Box<str>,
    pub(super) shape: Shape,
    /// Sorted by number; extensions included.
    pub(super) fields: Box<[FieldTable]>,
    /// By small numbers: the place of the field plus one, or 0.
    places: Box<[u16]>,
    /// JSON names, then names; numbers are places times two, plus one for a JSON name.
    names: Names,
    pub(super) oneofs: usize,
    pub(super) message_set: bool,
}

/// The form of a message in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// An object with a member for each field.
    Object,
    Any,
    Timestamp,
    Duration,
    FieldMask,
    Struct,
    Value,
    ListValue,
    /// The JSON form of field 1.
    Wrapper,
}

#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
pub(super) struct FieldTable {
    pub(super) number: u32,
    pub(super) kind: Kind,
    pub(super) cardinality: Cardinality,
    /// The encoding of one value.
    pub(super) wire_type: WireType,
    pub(super) presence: bool,
    pub(super) packed: bool,
    pub(super) utf8: bool,
    /// `null` is a value: `google.protobuf.Value` and `NullValue`.
    pub(super) takes_null: bool,
    pub(super) extension: bool,
    /// Written as an item of a `MessageSet`.
    pub(super) message_set_item: bool,
    /// Printed as `null` by `Unpopulated::Nulls`.
    pub(super) null_if_unset: bool,
    pub(super) oneof: Option<u16>,
    pub(super) name: Box<str>,
    pub(super) json_name: Box<str>,
    /// The names as JSON strings, with a colon.
    pub(super) key: ShortText,
    pub(super) json_key: ShortText,
    /// The tag with which the field is written, then zeros.
    tag: [u8; 8],
    tag_length: usize,
}

#[derive(Debug)]
pub(super) struct EnumTable {
    pub(super) closed: bool,
    /// `google.protobuf.NullValue`, which is `null` in JSON.
    pub(super) null: bool,
    values: Box<[EnumValue]>,
    /// Sorted by number, with the first name of each.
    by_number: Box<[(i32, u32)]>,
    names: Names,
}

#[derive(Debug)]
struct EnumValue {
    name: Box<str>,
    number: i32,
}

impl Tables {
    /// Compiles the types of a pool.
    ///
    /// # Errors
    /// If the pool has a well-known type, such as `google.protobuf.Timestamp`, with other fields
    /// than protobuf gives it.
    pub fn new(pool: &Pool) -> Result<Self, DescriptorError> {
        let mut extensions: HashMap<MessageId, Vec<&Field>> = HashMap::new();
        for extension in pool.extensions() {
            extensions.entry(extension.extendee).or_default().push(&extension.field);
        }
        let mut messages = Vec::with_capacity(pool.messages().len());
        let mut by_name = HashMap::with_capacity(pool.messages().len());
        for (index, message) in (0..).zip(pool.messages()) {
            let id = MessageId(index);
            let extensions = extensions.get(&id).map_or(&[][..], Vec::as_slice);
            messages.push(MessageTable::new(pool, message, extensions)?);
            by_name.insert(message.full_name.as_str().into(), id);
        }
        let enums = pool.enums().iter().map(EnumTable::new).collect();
        Ok(Self { messages: messages.into(), enums, by_name })
    }

    /// Finds a message by its full name.
    pub fn find_message(&self, full_name: &str) -> Option<MessageId> {
        self.by_name.get(full_name).copied()
    }

    /// The full name of a message.
    ///
    /// # Panics
    /// If the id is of another pool that has more messages.
    pub fn full_name(&self, id: MessageId) -> &str {
        &self.message(id).full_name
    }

    /// Returns the form of a message in JSON.
    ///
    /// # Panics
    /// If the id is of another pool that has more messages.
    pub(crate) fn shape(&self, id: MessageId) -> Shape {
        self.message(id).shape
    }

    #[inline]
    pub(super) fn message(&self, id: MessageId) -> &MessageTable {
        &self.messages[id.index()]
    }

    #[inline]
    pub(super) fn enumeration(&self, id: EnumId) -> &EnumTable {
        &self.enums[id.index()]
    }
}

impl fmt::Debug for Tables {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tables")
            .field("messages", &self.messages.len())
            .field("enums", &self.enums.len())
            .finish_non_exhaustive()
    }
}

impl MessageTable {
    fn new(pool: &Pool, message: &Message, extensions: &[&Field]) -> Result<Self, DescriptorError> {
        let own = message.fields.iter().map(|field| FieldTable::new(pool, field, None));
        let others = extensions.iter().map(|field| FieldTable::new(pool, field, Some(message)));
        let mut fields: Box<[FieldTable]> = own.chain(others).collect();
        fields.sort_unstable_by_key(|field| field.number);

        // Dense as far as that costs little.
        let dense = fields.len() * 4 + 16;
        let numbers = fields.iter().map(|field| field.number as usize);
        let largest = numbers.filter(|number| *number < dense).max().unwrap_or(0);
        let mut places = vec![0; largest + 1].into_boxed_slice();
        for (place, field) in (1..).zip(&fields) {
            if let Some(slot) = places.get_mut(field.number as usize) {
                *slot = place;
            }
        }
        let json_names =
            (0..).zip(&fields).map(|(place, field)| (&*field.json_name, place * 2 + 1));
        let names = (0..).zip(&fields).map(|(place, field)| (&*field.name, place * 2));
        Ok(Self {
            full_name: message.full_name.as_str().into(),
            shape: Shape::of(pool, message)?,
            names: Names::new(json_names.chain(names)),
            fields,
            places,
            oneofs: message.oneofs.len(),
            message_set: message.message_set,
        })
    }

    /// The place of the field with a number.
    #[inline]
    pub(super) fn by_number(&self, number: u32) -> Option<usize> {
        match self.places.get(number as usize) {
            Some(0) => None,
            Some(place) => Some(usize::from(*place) - 1),
            None => self.fields.binary_search_by_key(&number, |field| field.number).ok(),
        }
    }

    /// The place of the field with a name, or a JSON name.
    #[inline]
    pub(super) fn by_name(&self, name: &str) -> Option<usize> {
        let number = self.names.find(name, |number| {
            let field = &self.fields[number as usize / 2];
            *name == **if number % 2 == 1 { &field.json_name } else { &field.name }
        })?;
        Some(number as usize / 2)
    }
}

impl FieldTable {
    fn new(pool: &Pool, field: &Field, extendee: Option<&Message>) -> Self {
        let extension = extendee.is_some();
        let takes_null = match field.kind {
            Kind::Message(id) => pool.message(id).full_name == "google.protobuf.Value",
            Kind::Enum(id) => pool.enumeration(id).full_name == "google.protobuf.NullValue",
            _ => false,
        };
        let name = if extension { &field.json_name } else { &field.name };
        let key = |name: &str| {
            let mut key = Vec::new();
            put_json_string(name, &mut key);
            key.push(b':');
            ShortText::new(&key)
        };
        let wire_type = wire_type(field.kind);
        let mut bytes = Vec::new();
        let written = if field.packed { WireType::Len } else { wire_type };
        put_tag(&mut bytes, field.number, written);
        let mut tag = [0; 8];
        tag[..bytes.len()].copy_from_slice(&bytes);
        Self {
            number: field.number,
            kind: field.kind,
            cardinality: field.cardinality,
            wire_type,
            presence: field.presence,
            packed: field.packed,
            utf8: field.utf8,
            takes_null,
            extension,
            message_set_item: extendee.is_some_and(|message| message.message_set),
            null_if_unset: field.presence
                && field.oneof.is_none()
                && !extension
                && !field.proto3_optional,
            oneof: field.oneof.and_then(|oneof| u16::try_from(oneof).ok()),
            name: name.as_str().into(),
            json_name: field.json_name.as_str().into(),
            key: key(name),
            json_key: key(&field.json_name),
            tag,
            tag_length: bytes.len(),
        }
    }

    /// Appends the tag with which the field is written.
    #[inline]
    pub(super) fn put_tag(&self, out: &mut Vec<u8>) {
        let end = out.len() + self.tag_length;
        // All bytes of the array: their number is fixed, which makes the copy one instruction.
        out.extend_from_slice(&self.tag);
        out.truncate(end);
    }

    /// True if a value on the wire can be of this field.
    #[inline]
    pub(super) fn accepts(&self, wire_type: WireType) -> bool {
        self.wire_type == wire_type
            || (wire_type == WireType::Len
                && self.cardinality == Cardinality::Repeated
                && self.wire_type != WireType::Group)
    }

    /// The message of its values.
    pub(super) fn message(&self) -> Option<MessageId> {
        match self.kind {
            Kind::Message(id) | Kind::Group(id) => Some(id),
            _ => None,
        }
    }
}

/// The encoding of one value of a kind.
#[inline]
pub(super) fn wire_type(kind: Kind) -> WireType {
    match kind {
        Kind::Double | Kind::Fixed64 | Kind::Sfixed64 => WireType::Fixed64,
        Kind::Float | Kind::Fixed32 | Kind::Sfixed32 => WireType::Fixed32,
        Kind::String | Kind::Bytes | Kind::Message(_) => WireType::Len,
        Kind::Group(_) => WireType::Group,
        _ => WireType::Varint,
    }
}

impl EnumTable {
    fn new(declared: &crate::descriptor::Enum) -> Self {
        let values: Box<[EnumValue]> = declared
            .values
            .iter()
            .map(|value| EnumValue { name: value.name.as_str().into(), number: value.number })
            .collect();
        let mut by_number: Vec<(i32, u32)> =
            (0..).zip(&values).map(|(place, value)| (value.number, place)).collect();
        by_number.sort_unstable();
        by_number.dedup_by_key(|(number, _)| *number);
        Self {
            closed: declared.closed,
            null: declared.full_name == "google.protobuf.NullValue",
            names: Names::new(values.iter().map(|value| &*value.name).zip(0..)),
            values,
            by_number: by_number.into(),
        }
    }

    /// The number of the value with a name.
    #[inline]
    pub(super) fn number_of(&self, name: &str) -> Option<i32> {
        let place = self.names.find(name, |place| *self.values[place as usize].name == *name)?;
        Some(self.values[place as usize].number)
    }

    /// The first name of a number.
    #[inline]
    pub(super) fn name_of(&self, number: i32) -> Option<&str> {
        // Most enums count from 0.
        let guess = usize::try_from(number).ok().and_then(|place| self.by_number.get(place));
        let place = match guess {
            Some(&(found, place)) if found == number => place,
            _ => {
                let found = self.by_number.binary_search_by_key(&number, |(number, _)| *number);
                self.by_number[found.ok()?].1
            }
        };
        Some(&self.values[place as usize].name)
    }

    /// True if a field of this enum can have the number.
    #[inline]
    pub(super) fn admits(&self, number: i32) -> bool {
        !self.closed || self.name_of(number).is_some()
    }
}

impl Shape {
    fn of(pool: &Pool, message: &Message) -> Result<Self, DescriptorError> {
        let Some(name) = message.full_name.strip_prefix("google.protobuf.") else {
            return Ok(Self::Object);
        };
        let (shape, fields): (_, &[(u32, &str)]) = match name {
            "Any" => (Self::Any, &[(1, "string"), (2, "bytes")]),
            "Timestamp" => (Self::Timestamp, &[(1, "int64"), (2, "int32")]),
            "Duration" => (Self::Duration, &[(1, "int64"), (2, "int32")]),
            "FieldMask" => (Self::FieldMask, &[(1, "list of string")]),
            "Struct" => (Self::Struct, &[(1, "map to google.protobuf.Value")]),
            "ListValue" => (Self::ListValue, &[(1, "list of google.protobuf.Value")]),
            "Value" => (
                Self::Value,
                &[
                    (1, "google.protobuf.NullValue"),
                    (2, "double"),
                    (3, "string"),
                    (4, "bool"),
                    (5, "google.protobuf.Struct"),
                    (6, "google.protobuf.ListValue"),
                ],
            ),
            "DoubleValue" => (Self::Wrapper, &[(1, "double")]),
            "FloatValue" => (Self::Wrapper, &[(1, "float")]),
            "Int64Value" => (Self::Wrapper, &[(1, "int64")]),
            "UInt64Value" => (Self::Wrapper, &[(1, "uint64")]),
            "Int32Value" => (Self::Wrapper, &[(1, "int32")]),
            "UInt32Value" => (Self::Wrapper, &[(1, "uint32")]),
            "BoolValue" => (Self::Wrapper, &[(1, "bool")]),
            "StringValue" => (Self::Wrapper, &[(1, "string")]),
            "BytesValue" => (Self::Wrapper, &[(1, "bytes")]),
            _ => return Ok(Self::Object),
        };
        let found: Vec<(u32, String)> =
            message.fields.iter().map(|field| (field.number, type_text(pool, field))).collect();
        let same = found.len() == fields.len()
            && fields.iter().all(|(number, text)| {
                found.iter().any(|(other, found)| number == other && text == found)
            });
        if same {
            return Ok(shape);
        }
        Err(DescriptorError {
            file: pool.file(message.file).name.clone(),
            problem: DescriptorProblem::Invalid {
                element: message.full_name.clone(),
                expected: "the fields that protobuf gives this well-known type",
            },
        })
    }
}

/// The type of a field, for comparison with the well-known types.
fn type_text(pool: &Pool, field: &Field) -> String {
    let name = match field.kind {
        Kind::Double => "double",
        Kind::Float => "float",
        Kind::Int64 => "int64",
        Kind::Uint64 => "uint64",
        Kind::Int32 => "int32",
        Kind::Uint32 => "uint32",
        Kind::Bool => "bool",
        Kind::String => "string",
        Kind::Bytes => "bytes",
        Kind::Message(id) => &pool.message(id).full_name,
        Kind::Enum(id) => &pool.enumeration(id).full_name,
        _ => "other",
    };
    match (field.cardinality, field.kind) {
        (Cardinality::Singular, _) => name.to_owned(),
        (Cardinality::Map, Kind::Message(entry)) => {
            let fields = &pool.message(entry).fields;
            let value = fields.iter().find(|field| field.number == 2);
            let key_is_string =
                fields.iter().any(|field| field.number == 1 && field.kind == Kind::String);
            match value.map(|field| field.kind) {
                Some(Kind::Message(id)) if key_is_string => {
                    format!("map to {}", pool.message(id).full_name)
                }
                _ => "other map".to_owned(),
            }
        }
        _ => format!("list of {name}"),
    }
}
