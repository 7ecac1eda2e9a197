//! The types that the methods of a catalog use.

use std::collections::BTreeMap;

use super::{MethodEntry, Schema};
use crate::descriptor::{Cardinality, Enum, EnumId, Kind, Message, MessageId, Pool};
use crate::transcode::Shape;

/// The messages and enums that methods use, directly or within others, each with a unique name.
///
/// The name of a type is its full name. Where upstreams have different types of one name, all types
/// of the upstream whose methods come later have a suffix: `pkg.Message-2`. Left out are the
/// entries of maps, and the messages that have a form of their own in JSON, such as
/// `google.protobuf.Timestamp`.
pub(crate) struct Types<'c> {
    schemas: Vec<Reached<'c>>,
}

/// The types of one schema, by full name.
struct Reached<'c> {
    schema: &'c Schema,
    messages: BTreeMap<&'c str, MessageId>,
    enums: BTreeMap<&'c str, EnumId>,
    /// Equal for schemas whose types of one name are the same.
    group: usize,
}

/// A type, with the schema that has it.
pub(crate) struct Declared<'c, T> {
    pub(crate) schema: &'c Schema,
    pub(crate) descriptor: &'c T,
}

impl<'c> Types<'c> {
    /// Collects the types of these methods, in time linear in the size of the schemas, times the
    /// number of schemas.
    pub(crate) fn of(methods: &[&'c MethodEntry]) -> Self {
        let mut schemas: Vec<Reached<'c>> = Vec::new();
        for method in methods {
            let schema: &'c Schema = method.schema();
            let known = schemas.iter().position(|known| std::ptr::eq(known.schema, schema));
            let place = known.unwrap_or_else(|| {
                schemas.push(Reached::new(schema));
                schemas.len() - 1
            });
            schemas[place].reach(method.input());
            schemas[place].reach(method.output());
        }
        for place in 1..schemas.len() {
            let (earlier, later) = schemas.split_at_mut(place);
            let agrees = |group: usize| {
                earlier
                    .iter()
                    .filter(|other| other.group == group)
                    .all(|other| other.agrees(&later[0]))
            };
            // A group of its own at the latest.
            later[0].group = (0..place).find(|group| agrees(*group)).unwrap_or(place);
        }
        Self { schemas }
    }

    /// Returns the unique name of a type of this schema.
    pub(crate) fn name(&self, schema: &Schema, full_name: &str) -> String {
        let reached = self.schemas.iter().find(|reached| std::ptr::eq(reached.schema, schema));
        match reached.map_or(0, |reached| reached.group) {
            0 => full_name.to_owned(),
            group => format!("{full_name}-{}", group + 1),
        }
    }

    /// Returns the messages by unique name.
    pub(crate) fn messages(&self) -> BTreeMap<String, Declared<'c, Message>> {
        let mut messages = BTreeMap::new();
        for reached in &self.schemas {
            let schema = reached.schema;
            for (full_name, id) in &reached.messages {
                let descriptor = schema.pool().message(*id);
                let declared = Declared { schema, descriptor };
                messages.entry(self.name(schema, full_name)).or_insert(declared);
            }
        }
        messages
    }

    /// Returns the enums by unique name.
    pub(crate) fn enums(&self) -> BTreeMap<String, Declared<'c, Enum>> {
        let mut enums = BTreeMap::new();
        for reached in &self.schemas {
            let schema = reached.schema;
            for (full_name, id) in &reached.enums {
                let descriptor = schema.pool().enumeration(*id);
                let declared = Declared { schema, descriptor };
                enums.entry(self.name(schema, full_name)).or_insert(declared);
            }
        }
        enums
    }
}

impl<'c> Reached<'c> {
    fn new(schema: &'c Schema) -> Self {
        Self { schema, messages: BTreeMap::new(), enums: BTreeMap::new(), group: 0 }
    }

    /// Adds a message and the types of its fields.
    fn reach(&mut self, id: MessageId) {
        let (pool, tables) = (self.schema.pool(), self.schema.tables());
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            let message = pool.message(id);
            let is_new = message.map_entry
                || tables.shape(id) == Shape::Object
                    && self.messages.insert(&message.full_name, id).is_none();
            for field in message.fields.iter().filter(|_| is_new) {
                match field.kind {
                    Kind::Message(id) | Kind::Group(id) => waiting.push(id),
                    Kind::Enum(id) => {
                        self.enums.insert(&pool.enumeration(id).full_name, id);
                    }
                    _ => {}
                }
            }
        }
    }

    /// Reports whether all types of one name are the same.
    fn agrees(&self, other: &Self) -> bool {
        let (pool, other_pool) = (self.schema.pool(), other.schema.pool());
        let messages = self.messages.iter().all(|(name, id)| {
            other
                .messages
                .get(name)
                .is_none_or(|other_id| have_same_fields((pool, *id), (other_pool, *other_id)))
        });
        messages
            && self.enums.iter().all(|(name, id)| {
                other.enums.get(name).is_none_or(|other_id| {
                    let values = |descriptor: &'c Enum| {
                        descriptor.values.iter().map(|value| (&value.name, value.number))
                    };
                    let other_values = values(other_pool.enumeration(*other_id));
                    values(pool.enumeration(*id)).eq(other_values)
                })
            })
    }
}

/// Reports whether two messages have the same fields. Messages in them are compared by name.
fn have_same_fields(one: (&Pool, MessageId), other: (&Pool, MessageId)) -> bool {
    let (fields, other_fields) = (&one.0.message(one.1).fields, &other.0.message(other.1).fields);
    fields.len() == other_fields.len()
        && fields.iter().zip(other_fields).all(|(field, other_field)| {
            field.name == other_field.name
                && field.json_name == other_field.json_name
                && field.cardinality == other_field.cardinality
                && field.presence == other_field.presence
                && field.oneof == other_field.oneof
                && are_same_kind((one.0, field.kind), (other.0, other_field.kind))
                // The entry of a map is not among the messages.
                && (field.cardinality != Cardinality::Map
                    || match (field.kind, other_field.kind) {
                        (Kind::Message(entry), Kind::Message(other_entry)) => {
                            have_same_fields((one.0, entry), (other.0, other_entry))
                        }
                        _ => true,
                    })
        })
}

fn are_same_kind(one: (&Pool, Kind), other: (&Pool, Kind)) -> bool {
    match (one.1, other.1) {
        (Kind::Message(id) | Kind::Group(id), Kind::Message(other_id) | Kind::Group(other_id)) => {
            one.0.message(id).full_name == other.0.message(other_id).full_name
        }
        (Kind::Enum(id), Kind::Enum(other_id)) => {
            one.0.enumeration(id).full_name == other.0.enumeration(other_id).full_name
        }
        (kind, other_kind) => kind == other_kind,
    }
}
