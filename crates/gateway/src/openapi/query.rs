//! Parameters of the query: the fields that neither the path nor the body gives.

use super::model::{Content, Parameter, Schema, content};
use super::schema::{Schemas, map_value};
use crate::catalog;
use crate::descriptor::{Cardinality, Field, Kind, MessageId};
use crate::transcode::Shape;

/// Maximum number of parameters of an operation. Chosen: beyond what people read.
const MAX_PARAMETERS: usize = 256;

/// Maximum depth of fields in messages, as in `a.b.c`. Chosen likewise.
const MAX_DEPTH: usize = 5;

/// Collects the parameters of a query.
pub(super) struct Query<'c> {
    schemas: &'c Schemas<'c>,
    schema: &'c catalog::Schema,
    /// The numbers on the way to each field that the query must not set.
    excluded: Vec<Vec<u32>>,
    /// The messages around the fields at hand: a message within itself is left out.
    open: Vec<MessageId>,
    way: Vec<u32>,
    parameters: Vec<Parameter>,
}

impl<'c> Query<'c> {
    pub(super) fn new(schemas: &'c Schemas<'c>, schema: &'c catalog::Schema) -> Self {
        Self {
            schemas,
            schema,
            excluded: Vec::new(),
            open: Vec::new(),
            way: Vec::new(),
            parameters: Vec::new(),
        }
    }

    /// Excludes a field of a message by its path.
    pub(super) fn exclude(&mut self, message: MessageId, path: &str) {
        let fields = fields_of_path(self.schema, message, path);
        self.excluded.push(fields.iter().map(|field| field.number).collect());
    }

    /// Returns the parameters for the fields of a message.
    pub(super) fn parameters(mut self, message: MessageId) -> Vec<Parameter> {
        self.add_message(message, "");
        self.parameters
    }

    fn add_message(&mut self, message: MessageId, prefix: &str) {
        self.open.push(message);
        let schema = self.schema;
        for field in &schema.pool().message(message).fields {
            self.way.push(field.number);
            if self.parameters.len() < MAX_PARAMETERS && !self.excluded.contains(&self.way) {
                let name = format!("{prefix}{}", self.schemas.name_of(field));
                self.add(field, name);
            }
            self.way.pop();
        }
        self.open.pop();
    }

    fn add(&mut self, field: &Field, name: String) {
        let kind = match field.cardinality {
            Cardinality::Map => match map_value(self.schema, field) {
                Some(value) => value.kind,
                None => return,
            },
            Cardinality::Singular | Cardinality::Repeated => field.kind,
        };
        let is_singular = field.cardinality == Cardinality::Singular;
        if let Kind::Message(id) | Kind::Group(id) = kind {
            match self.schema.tables().shape(id) {
                Shape::Object if is_singular => {
                    if self.open.len() < MAX_DEPTH && !self.open.contains(&id) {
                        self.add_message(id, &format!("{name}."));
                    }
                    return;
                }
                Shape::Struct | Shape::Value | Shape::ListValue if is_singular => {
                    let schema = self.schemas.value(self.schema, kind);
                    self.push(field, name, None, content("application/json", schema));
                    return;
                }
                // They have no form as text.
                Shape::Object | Shape::Any | Shape::Struct | Shape::Value | Shape::ListValue => {
                    return;
                }
                Shape::Timestamp | Shape::Duration | Shape::FieldMask | Shape::Wrapper => {}
            }
        }
        let schema = self.schemas.field(self.schema, field);
        self.push(field, name, Some(schema), Content::new());
    }

    fn push(&mut self, field: &Field, name: String, schema: Option<Schema>, content: Content) {
        // `labels[key]=value`.
        let style = (field.cardinality == Cardinality::Map).then_some("deepObject");
        self.parameters.push(Parameter {
            name,
            place: "query",
            description: field.comment.clone(),
            required: false,
            deprecated: field.deprecated,
            style,
            schema,
            content,
        });
    }
}

/// Returns the fields on the way of a path such as `book.name`, as far as there are such fields.
pub(super) fn fields_of_path<'s>(
    schema: &'s catalog::Schema,
    message: MessageId,
    path: &str,
) -> Vec<&'s Field> {
    let mut fields: Vec<&Field> = Vec::new();
    let mut inside = Some(message);
    for name in path.split('.') {
        let Some(message) = inside else { break };
        let mut all = schema.pool().message(message).fields.iter();
        let Some(field) = all.find(|field| field.name == name || field.json_name == name) else {
            break;
        };
        inside = match field.kind {
            Kind::Message(id) | Kind::Group(id) => Some(id),
            _ => None,
        };
        fields.push(field);
    }
    fields
}
