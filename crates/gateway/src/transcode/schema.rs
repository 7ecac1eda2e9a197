use super::tables::{FieldTable, Shape, Tables};
use crate::descriptor::{Cardinality, EnumId, Kind, MessageId};
use crate::route::binding::{self, Field, FieldKind, Schema};

/// The fields that path variables and query parameters may name. The JSON object that
/// [`Bindings`](binding::Bindings) make of them is read by
/// [`json_to_wire`](super::json_to_wire) with
/// [`write_zeros`](super::ParseOptions::write_zeros), so that it wins over a body before it.
impl Schema for Tables {
    type Message = MessageId;
    type Enum = EnumId;

    fn field(&self, message: MessageId, name: &str) -> Option<Field<'_, MessageId, EnumId>> {
        let table = self.message(message);
        if table.shape != Shape::Object {
            return None;
        }
        let field = &table.fields[table.by_name(name)?];
        let (cardinality, value) = match field.cardinality {
            Cardinality::Singular => (binding::Cardinality::Singular, field),
            Cardinality::Repeated => (binding::Cardinality::Repeated, field),
            Cardinality::Map => {
                (binding::Cardinality::Map, self.message(field.message()?).fields.get(1)?)
            }
        };
        Some(Field {
            number: i32::try_from(field.number).ok()?,
            json_name: &field.json_name,
            cardinality,
            kind: self.field_kind(value),
            oneof: field.oneof.map(u32::from),
        })
    }

    fn enum_number(&self, enumeration: EnumId, name: &str) -> Option<i32> {
        self.enumeration(enumeration).number_of(name)
    }

    fn enum_accepts(&self, enumeration: EnumId, number: i32) -> bool {
        self.enumeration(enumeration).admits(number)
    }
}

impl Tables {
    fn field_kind(&self, field: &FieldTable) -> FieldKind<MessageId, EnumId> {
        match field.kind {
            Kind::Bool => FieldKind::Bool,
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => FieldKind::Int32,
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => FieldKind::Int64,
            Kind::Uint32 | Kind::Fixed32 => FieldKind::Uint32,
            Kind::Uint64 | Kind::Fixed64 => FieldKind::Uint64,
            Kind::Float => FieldKind::Float,
            Kind::Double => FieldKind::Double,
            Kind::String => FieldKind::String,
            Kind::Bytes => FieldKind::Bytes,
            Kind::Enum(id) => FieldKind::Enum(id),
            Kind::Message(id) | Kind::Group(id) => {
                let table = self.message(id);
                match table.shape {
                    Shape::Timestamp => FieldKind::Timestamp,
                    Shape::Duration => FieldKind::Duration,
                    Shape::FieldMask => FieldKind::FieldMask,
                    Shape::Struct | Shape::Value | Shape::ListValue => FieldKind::Json,
                    Shape::Wrapper => self.field_kind(&table.fields[0]),
                    Shape::Object | Shape::Any => FieldKind::Message(id),
                }
            }
        }
    }
}
