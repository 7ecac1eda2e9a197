//! The message of the cases of queries.

use serde_json::Value;

use crate::route::binding::{Cardinality, Field, FieldKind, Schema};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Type {
    P,
    Book,
    Author,
}

/// An open enum with the values `COLOR_UNSPECIFIED` 0, `RED` 1 and `BLUE` 5.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Color;

#[derive(Debug)]
pub(crate) struct Pt;

pub(crate) static PT: Pt = Pt;

const COLORS: [(&str, i32); 3] = [("COLOR_UNSPECIFIED", 0), ("RED", 1), ("BLUE", 5)];

type Row = (i32, &'static str, &'static str, FieldKind<Type, Color>, Cardinality, Option<u32>);

const fn singular(
    number: i32,
    name: &'static str,
    json_name: &'static str,
    kind: FieldKind<Type, Color>,
) -> Row {
    (number, name, json_name, kind, Cardinality::Singular, None)
}

const P: [Row; 31] = [
    singular(1, "name", "name", FieldKind::String),
    singular(2, "id", "id", FieldKind::String),
    singular(3, "x", "x", FieldKind::String),
    singular(4, "y", "y", FieldKind::String),
    singular(5, "parent", "parent", FieldKind::String),
    singular(6, "book", "book", FieldKind::Message(Type::Book)),
    singular(7, "n", "n", FieldKind::Int32),
    singular(8, "big", "big", FieldKind::Int64),
    singular(9, "flag", "flag", FieldKind::Bool),
    singular(10, "color", "color", FieldKind::Enum(Color)),
    (11, "tags", "tags", FieldKind::String, Cardinality::Repeated, None),
    singular(12, "data", "data", FieldKind::Bytes),
    singular(13, "f", "f", FieldKind::Double),
    singular(14, "at", "at", FieldKind::Timestamp),
    singular(15, "wait", "wait", FieldKind::Duration),
    singular(16, "wn", "wn", FieldKind::Int32),
    singular(17, "ws", "ws", FieldKind::String),
    singular(18, "wb", "wb", FieldKind::Bool),
    singular(19, "mask", "mask", FieldKind::FieldMask),
    (20, "labels", "labels", FieldKind::String, Cardinality::Map, None),
    (21, "books", "books", FieldKind::Message(Type::Book), Cardinality::Repeated, None),
    singular(22, "opt", "opt", FieldKind::String),
    (23, "left", "left", FieldKind::String, Cardinality::Singular, Some(0)),
    (24, "right", "right", FieldKind::Int32, Cardinality::Singular, Some(0)),
    singular(25, "page_token", "pageToken", FieldKind::String),
    singular(26, "custom", "CUSTOM", FieldKind::String),
    (27, "nums", "nums", FieldKind::Int32, Cardinality::Repeated, None),
    (28, "colors", "colors", FieldKind::Enum(Color), Cardinality::Repeated, None),
    singular(29, "any_json", "anyJson", FieldKind::Json),
    singular(30, "u", "u", FieldKind::Uint32),
    singular(31, "wf", "wf", FieldKind::Double),
];

const BOOK: [Row; 5] = [
    singular(1, "name", "name", FieldKind::String),
    singular(2, "id", "id", FieldKind::String),
    singular(3, "author", "author", FieldKind::Message(Type::Author)),
    singular(4, "pages", "pages", FieldKind::Int32),
    (5, "tags", "tags", FieldKind::String, Cardinality::Repeated, None),
];

const AUTHOR: [Row; 1] = [singular(1, "id", "id", FieldKind::String)];

impl Schema for Pt {
    type Message = Type;
    type Enum = Color;

    fn field(&self, message: Type, name: &str) -> Option<Field<'_, Type, Color>> {
        let rows: &[Row] = match message {
            Type::P => &P,
            Type::Book => &BOOK,
            Type::Author => &AUTHOR,
        };
        let &(number, _, json_name, kind, cardinality, oneof) =
            rows.iter().find(|row| row.1 == name || row.2 == name)?;
        Some(Field { number, json_name, cardinality, kind, oneof })
    }

    fn enum_number(&self, _: Color, name: &str) -> Option<i32> {
        COLORS.iter().find(|(other, _)| *other == name).map(|(_, number)| *number)
    }

    fn enum_accepts(&self, _: Color, _: i32) -> bool {
        true
    }
}

/// Returns JSON with the numbers of colors as names, and with all numbers as doubles.
pub(crate) fn canonical(value: Value) -> Value {
    let Value::Object(fields) = value else { return number(value) };
    let fields = fields.into_iter().map(|(name, value)| {
        let value = match (&*name, value) {
            ("color", value) => color(&value),
            ("colors", Value::Array(values)) => values.iter().map(color).collect(),
            (_, Value::Array(values)) => values.into_iter().map(canonical).collect(),
            (_, value) => canonical(value),
        };
        (name, value)
    });
    Value::Object(fields.collect())
}

fn number(value: Value) -> Value {
    value.as_f64().map_or(value, Value::from)
}

fn color(value: &Value) -> Value {
    let name = COLORS.iter().find(|(_, number)| value.as_i64() == Some((*number).into()));
    name.map_or_else(|| number(value.clone()), |(name, _)| Value::from(*name))
}
