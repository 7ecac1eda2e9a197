//! The services and their types, for the forms of the page.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::example::{Example, example};
use crate::catalog::types::{Declared, Types};
use crate::catalog::{Catalog, MethodEntry, RouteBody, RouteTarget, Schema};
use crate::descriptor::{self, Cardinality, Idempotency, Kind};
use crate::route::Route;
use crate::transcode::Shape;

#[derive(Debug, Serialize)]
struct Document<'c> {
    services: Vec<Service<'c>>,
    messages: BTreeMap<String, Message<'c>>,
    enums: BTreeMap<String, Enum<'c>>,
}

#[derive(Debug, Serialize)]
struct Service<'c> {
    name: &'c str,
    comment: &'c str,
    deprecated: bool,
    methods: Vec<Method<'c>>,
}

#[derive(Debug, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a property of its own")]
#[serde(rename_all = "camelCase")]
struct Method<'c> {
    name: &'c str,
    path: &'c str,
    comment: &'c str,
    deprecated: bool,
    client_streaming: bool,
    server_streaming: bool,
    /// True if the method only reads.
    safe: bool,
    input: Type,
    output: Type,
    routes: Vec<HttpRoute<'c>>,
    example: Example,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpRoute<'c> {
    method: String,
    path: &'c str,
    /// The field that the body gives, `*` for all, or empty.
    body: &'c str,
    response_body: &'c str,
}

/// The type of a value: a scalar by its name in protobuf; `enum` or `message` with the name of the
/// type; or a message with a form of its own in JSON, such as `timestamp`.
#[derive(Debug, Serialize)]
struct Type {
    kind: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

#[derive(Debug, Serialize)]
struct Message<'c> {
    comment: &'c str,
    deprecated: bool,
    fields: Vec<Field<'c>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Field<'c> {
    name: &'c str,
    json_name: &'c str,
    number: u32,
    comment: &'c str,
    cardinality: &'static str,
    #[serde(flatten)]
    value: Type,
    /// The kind of a map's keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oneof: Option<&'c str>,
    /// True if the field knows whether it is set.
    presence: bool,
    required: bool,
    deprecated: bool,
}

#[derive(Debug, Serialize)]
struct Enum<'c> {
    comment: &'c str,
    values: Vec<EnumValue<'c>>,
}

#[derive(Debug, Serialize)]
struct EnumValue<'c> {
    name: &'c str,
    number: i32,
    comment: &'c str,
}

/// Returns the services, methods and types of a catalog as JSON.
pub(super) fn document(catalog: &Catalog) -> Vec<u8> {
    let methods: Vec<&MethodEntry> =
        catalog.methods_in_order().into_iter().map(|method| &**method).collect();
    let types = Types::of(&methods);
    let mut routes: HashMap<&str, Vec<HttpRoute<'_>>> = HashMap::new();
    for route in catalog.router().routes() {
        let path = route.value().method.path().as_str();
        routes.entry(path).or_default().push(HttpRoute::of(route));
    }
    let mut services: Vec<Service<'_>> = Vec::new();
    for entry in methods {
        let declared = entry.service();
        if services.last().is_none_or(|last| last.name != declared.full_name) {
            services.push(Service {
                name: &declared.full_name,
                comment: &declared.comment,
                deprecated: declared.deprecated,
                methods: Vec::new(),
            });
        }
        let routes = routes.remove(entry.path().as_str()).unwrap_or_default();
        if let Some(service) = services.last_mut() {
            service.methods.push(Method::of(entry, &types, routes));
        }
    }
    let messages = types.messages().into_iter();
    let enums = types.enums().into_iter();
    let document = Document {
        services,
        messages: messages.map(|(name, declared)| (name, Message::of(&declared, &types))).collect(),
        enums: enums.map(|(name, declared)| (name, Enum::of(&declared))).collect(),
    };
    // Strings, numbers and objects with names of text can always be written.
    serde_json::to_vec(&document).unwrap_or_default()
}

impl<'c> Method<'c> {
    fn of(entry: &'c MethodEntry, types: &Types<'_>, routes: Vec<HttpRoute<'c>>) -> Self {
        let (descriptor, schema) = (entry.descriptor(), entry.schema());
        Self {
            name: &descriptor.name,
            path: entry.path().as_str(),
            comment: &descriptor.comment,
            deprecated: descriptor.deprecated,
            client_streaming: descriptor.client_streaming,
            server_streaming: descriptor.server_streaming,
            safe: descriptor.idempotency == Idempotency::NoSideEffects,
            input: Type::of(schema, Kind::Message(entry.input()), types),
            output: Type::of(schema, Kind::Message(entry.output()), types),
            routes,
            example: example(schema, entry.input()),
        }
    }
}

impl<'c> HttpRoute<'c> {
    fn of(route: &'c Route<RouteTarget>) -> Self {
        let target = route.value();
        Self {
            method: route.kind().to_string(),
            path: route.template().as_str(),
            body: match &target.body {
                RouteBody::None => "",
                RouteBody::Whole => "*",
                RouteBody::Field(path) => path.text(),
            },
            response_body: target.response_body.as_ref().map_or("", |path| path.text()),
        }
    }
}

impl Type {
    fn of(schema: &Schema, kind: Kind, types: &Types<'_>) -> Self {
        let scalar = |kind| Self { kind, name: None };
        let named =
            |kind, full_name: &str| Self { kind, name: Some(types.name(schema, full_name)) };
        match kind {
            Kind::Enum(id) => match schema.pool().enumeration(id).full_name.as_str() {
                "google.protobuf.NullValue" => scalar("null"),
                full_name => named("enum", full_name),
            },
            Kind::Message(id) | Kind::Group(id) => match schema.tables().shape(id) {
                Shape::Object => named("message", &schema.pool().message(id).full_name),
                Shape::Any => scalar("any"),
                Shape::Timestamp => scalar("timestamp"),
                Shape::Duration => scalar("duration"),
                Shape::FieldMask => scalar("fieldMask"),
                Shape::Struct => scalar("struct"),
                Shape::Value => scalar("value"),
                Shape::ListValue => scalar("listValue"),
                Shape::Wrapper => match schema.pool().message(id).fields.first() {
                    Some(value) => scalar(value.kind.scalar_name().unwrap_or_default()),
                    None => scalar("value"),
                },
            },
            kind => scalar(kind.scalar_name().unwrap_or_default()),
        }
    }
}

impl<'c> Message<'c> {
    fn of(declared: &Declared<'c, descriptor::Message>, types: &Types<'_>) -> Self {
        let Declared { schema, descriptor } = *declared;
        let fields = descriptor.fields.iter();
        Self {
            comment: &descriptor.comment,
            deprecated: descriptor.deprecated,
            fields: fields.map(|field| Field::of(schema, descriptor, field, types)).collect(),
        }
    }
}

impl<'c> Field<'c> {
    fn of(
        schema: &Schema,
        message: &'c descriptor::Message,
        field: &'c descriptor::Field,
        types: &Types<'_>,
    ) -> Self {
        let entry = match (field.cardinality, field.kind) {
            (Cardinality::Map, Kind::Message(id)) => schema.pool().message(id).fields.get(..2),
            _ => None,
        };
        let (key, kind) = match entry {
            Some([key, value]) => (Some(key.kind.scalar_name().unwrap_or_default()), value.kind),
            _ => (None, field.kind),
        };
        let oneof = field.oneof.and_then(|place| message.oneofs.get(place as usize));
        Self {
            name: &field.name,
            json_name: &field.json_name,
            number: field.number,
            comment: &field.comment,
            cardinality: match field.cardinality {
                Cardinality::Singular => "singular",
                Cardinality::Repeated => "repeated",
                Cardinality::Map => "map",
            },
            value: Type::of(schema, kind, types),
            key,
            oneof: oneof.map(|oneof| oneof.name.as_str()),
            presence: field.presence,
            required: field.required,
            deprecated: field.deprecated,
        }
    }
}

impl<'c> Enum<'c> {
    fn of(declared: &Declared<'c, descriptor::Enum>) -> Self {
        let descriptor = declared.descriptor;
        let values = descriptor.values.iter().map(|value| EnumValue {
            name: &value.name,
            number: value.number,
            comment: &value.comment,
        });
        Self { comment: &descriptor.comment, values: values.collect() }
    }
}
