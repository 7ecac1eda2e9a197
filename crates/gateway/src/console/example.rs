//! Examples of messages, in JSON.

use serde::Serialize;

use crate::catalog::Schema;
use crate::descriptor::{Cardinality, Field, Kind, MessageId};
use crate::json_object::JsonObject;
use crate::transcode::Shape;

/// Maximum depth of messages in an example. Chosen: deeper ones are hard to read.
const MAX_DEPTH: usize = 4;

/// Maximum number of values in an example. Chosen likewise.
const MAX_VALUES: usize = 200;

/// The example of a value.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(super) enum Example {
    Null,
    Bool(bool),
    Number(u8),
    Text(String),
    List([Box<Example>; 1]),
    Object(JsonObject<Example>),
}

/// Returns a message with all of its fields: each with its zero value, lists and maps with one
/// element, and of each oneof the first member. A message within itself is left out.
pub(super) fn example(schema: &Schema, message: MessageId) -> Example {
    Writer { schema, open: Vec::new(), left: MAX_VALUES }.message(message).unwrap_or(Example::Null)
}

struct Writer<'s> {
    schema: &'s Schema,
    /// The messages around the value at hand.
    open: Vec<MessageId>,
    /// The number of values that may still be written.
    left: usize,
}

impl Writer<'_> {
    fn object(&mut self, id: MessageId) -> Option<Example> {
        if self.open.len() == MAX_DEPTH || self.open.contains(&id) {
            return None;
        }
        self.open.push(id);
        let mut object = JsonObject::default();
        let mut oneofs = Vec::new();
        for field in &self.schema.pool().message(id).fields {
            if field.oneof.is_some_and(|oneof| oneofs.contains(&oneof)) {
                continue;
            }
            if let Some(value) = self.field(field) {
                oneofs.extend(field.oneof);
                object.push(field.json_name.clone(), value);
            }
        }
        self.open.pop();
        Some(Example::Object(object))
    }

    fn field(&mut self, field: &Field) -> Option<Example> {
        self.left = self.left.checked_sub(1)?;
        match (field.cardinality, field.kind) {
            (Cardinality::Singular, kind) => self.value(kind),
            (Cardinality::Repeated, kind) => Some(Example::List([Box::new(self.value(kind)?)])),
            (Cardinality::Map, Kind::Message(entry)) => {
                let [key, value] = self.schema.pool().message(entry).fields.get(..2)? else {
                    return None;
                };
                let name = match key.kind {
                    Kind::String => "key",
                    Kind::Bool => "true",
                    _ => "1",
                };
                let value = self.value(value.kind)?;
                Some(Example::Object([(name.to_owned(), value)].into_iter().collect()))
            }
            (Cardinality::Map, _) => None,
        }
    }

    fn value(&mut self, kind: Kind) -> Option<Example> {
        Some(match kind {
            Kind::Bool => Example::Bool(false),
            Kind::String | Kind::Bytes => Example::Text(String::new()),
            Kind::Int64 | Kind::Sfixed64 | Kind::Sint64 | Kind::Uint64 | Kind::Fixed64 => {
                Example::Text("0".to_owned())
            }
            Kind::Enum(id) => {
                let declared = self.schema.pool().enumeration(id);
                if declared.full_name == "google.protobuf.NullValue" {
                    return Some(Example::Null);
                }
                Example::Text(declared.values.first()?.name.clone())
            }
            Kind::Message(id) | Kind::Group(id) => return self.message(id),
            _ => Example::Number(0),
        })
    }

    fn message(&mut self, id: MessageId) -> Option<Example> {
        let text = match self.schema.tables().shape(id) {
            Shape::Object => return self.object(id),
            Shape::Wrapper => {
                let field = self.schema.pool().message(id).fields.first()?;
                return self.value(field.kind);
            }
            Shape::Struct => return Some(Example::Object(JsonObject::default())),
            Shape::Value => return Some(Example::Null),
            // An `Any` needs the URL of a type, which nobody but the caller knows.
            Shape::ListValue | Shape::Any => return None,
            Shape::Timestamp => "1970-01-01T00:00:00Z",
            Shape::Duration => "0s",
            Shape::FieldMask => "",
        };
        Some(Example::Text(text.to_owned()))
    }
}
