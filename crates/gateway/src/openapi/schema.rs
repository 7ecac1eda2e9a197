//! Schemas of messages, enums and fields: protobuf's JSON mapping as JSON Schema.

use super::model::{EnumValue, Schema};
use crate::catalog;
use crate::catalog::types::{Declared, Types};
use crate::descriptor::{Cardinality, Enum, Field, Kind, Message, MessageId};
use crate::json_object::JsonObject;
use crate::transcode::{PrintOptions, Shape, Unpopulated};

/// A duration in JSON, such as `1.5s`.
const DURATION: &str = r"^-?[0-9]+(\.[0-9]{1,9})?s$";

/// Describes types in the form in which they are printed.
pub(super) struct Schemas<'c> {
    pub(super) types: &'c Types<'c>,
    pub(super) print: &'c PrintOptions,
}

impl Schemas<'_> {
    /// Returns the name of a field in JSON.
    pub(super) fn name_of<'f>(&self, field: &'f Field) -> &'f str {
        if self.print.proto_names { &field.name } else { &field.json_name }
    }

    /// Returns the schema of a message's JSON, as a component.
    pub(super) fn message(&self, declared: &Declared<'_, Message>) -> Schema {
        let Declared { schema, descriptor } = *declared;
        let mut properties = JsonObject::default();
        for field in &descriptor.fields {
            properties.push(self.name_of(field), self.property(schema, field));
        }
        let required = descriptor.fields.iter().filter(|field| field.required);
        Schema {
            description: descriptor.comment.clone(),
            properties,
            required: required.map(|field| self.name_of(field).to_owned()).collect(),
            all_of: self.oneofs(descriptor),
            deprecated: descriptor.deprecated,
            ..Schema::of_type("object")
        }
    }

    /// Returns the schema of an enum, as a component.
    pub(super) fn enumeration(&self, declared: &Declared<'_, Enum>) -> Schema {
        let descriptor = declared.descriptor;
        let as_numbers = self.print.enums_as_numbers;
        let value = |value: &crate::descriptor::EnumValue| {
            if as_numbers {
                EnumValue::Number(value.number)
            } else {
                EnumValue::Name(value.name.clone())
            }
        };
        let commented = descriptor.values.iter().filter(|value| !value.comment.is_empty());
        let comments = commented.map(|value| format!("`{}`: {}", value.name, value.comment));
        let mut paragraphs = vec![descriptor.comment.clone()];
        paragraphs.extend(comments);
        paragraphs.retain(|paragraph| !paragraph.is_empty());
        let description = paragraphs.join("\n\n");
        let schema =
            if as_numbers { Schema::format("integer", "int32") } else { Schema::of_type("string") };
        // An open enum may also have numbers without a name.
        Schema { description, values: descriptor.values.iter().map(value).collect(), ..schema }
    }

    /// Returns the schemas by which a value has one member of each oneof at most.
    fn oneofs(&self, descriptor: &Message) -> Vec<Schema> {
        let has = |field: &Field| Schema {
            required: vec![self.name_of(field).to_owned()],
            ..Schema::default()
        };
        let at_most_one = |(place, _): (u32, _)| {
            let members = descriptor.fields.iter().filter(|field| field.oneof == Some(place));
            let any = Schema { any_of: members.clone().map(has).collect(), ..Schema::default() };
            let none = Schema { not: Some(Box::new(any)), ..Schema::default() };
            Schema { one_of: members.map(has).chain([none]).collect(), ..Schema::default() }
        };
        (0..).zip(&descriptor.oneofs).map(at_most_one).collect()
    }

    /// Returns the schema of a field, with its comment.
    pub(super) fn property(&self, schema: &catalog::Schema, field: &Field) -> Schema {
        let described = self.field(schema, field);
        let is_null_if_unset = self.print.unpopulated == Unpopulated::Nulls
            && field.cardinality == Cardinality::Singular
            && field.presence
            && field.oneof.is_none()
            && !field.proto3_optional
            && !field.required;
        let described = if is_null_if_unset {
            Schema { any_of: vec![described, Schema::of_type("null")], ..Schema::default() }
        } else {
            described
        };
        let description = if field.comment.is_empty() {
            described.description.clone()
        } else {
            field.comment.clone()
        };
        Schema { description, deprecated: field.deprecated, ..described }
    }

    /// Returns the schema of a field's values.
    pub(super) fn field(&self, schema: &catalog::Schema, field: &Field) -> Schema {
        match field.cardinality {
            Cardinality::Singular => self.value(schema, field.kind),
            Cardinality::Repeated => Schema::list(self.value(schema, field.kind)),
            Cardinality::Map => {
                let value = map_value(schema, field)
                    .map_or_else(Schema::default, |value| self.value(schema, value.kind));
                Schema { additional_properties: Some(Box::new(value)), ..Schema::of_type("object") }
            }
        }
    }

    /// Returns the schema of one value.
    pub(super) fn value(&self, schema: &catalog::Schema, kind: Kind) -> Schema {
        match kind {
            Kind::Double => Schema::format("number", "double"),
            Kind::Float => Schema::format("number", "float"),
            // Text, as JSON's numbers are exact up to 53 bits only.
            Kind::Int64 | Kind::Sfixed64 | Kind::Sint64 => Schema::format("string", "int64"),
            Kind::Uint64 | Kind::Fixed64 => Schema::format("string", "uint64"),
            Kind::Int32 | Kind::Sfixed32 | Kind::Sint32 => Schema::format("integer", "int32"),
            Kind::Uint32 | Kind::Fixed32 => Schema::format("integer", "uint32"),
            Kind::Bool => Schema::of_type("boolean"),
            Kind::String => Schema::of_type("string"),
            Kind::Bytes => Schema { content_encoding: Some("base64"), ..Schema::of_type("string") },
            Kind::Enum(id) => {
                let full_name = &schema.pool().enumeration(id).full_name;
                if full_name == "google.protobuf.NullValue" {
                    return Schema::of_type("null");
                }
                Schema::reference(&self.types.name(schema, full_name))
            }
            Kind::Message(id) | Kind::Group(id) => self.of_message(schema, id),
        }
    }

    /// Returns the schema of a message where it is used.
    pub(super) fn of_message(&self, schema: &catalog::Schema, id: MessageId) -> Schema {
        let pool = schema.pool();
        match schema.tables().shape(id) {
            Shape::Object => {
                Schema::reference(&self.types.name(schema, &pool.message(id).full_name))
            }
            Shape::Timestamp => Schema::format("string", "date-time"),
            Shape::Duration => Schema { pattern: Some(DURATION), ..Schema::of_type("string") },
            Shape::FieldMask => Schema {
                description: "Paths of fields, separated by commas.".to_owned(),
                ..Schema::of_type("string")
            },
            Shape::Struct => Schema::of_type("object"),
            Shape::Value => Schema::default(),
            Shape::ListValue => Schema::list(Schema::default()),
            Shape::Wrapper => {
                let value = pool.message(id).fields.first();
                value.map_or_else(Schema::default, |value| self.value(schema, value.kind))
            }
            Shape::Any => Schema {
                description: "A message of any type, with the URL of its type.".to_owned(),
                properties: [("@type".to_owned(), Schema::of_type("string"))].into_iter().collect(),
                required: vec!["@type".to_owned()],
                ..Schema::of_type("object")
            },
        }
    }
}

/// Returns the field with the values of a map.
pub(super) fn map_value<'s>(schema: &'s catalog::Schema, field: &Field) -> Option<&'s Field> {
    match field.kind {
        Kind::Message(entry) => schema.pool().message(entry).fields.get(1),
        _ => None,
    }
}
