//! The description of the JSON over HTTP in OpenAPI 3.1, from the catalog.
//!
//! | in OpenAPI | is |
//! |---|---|
//! | a path and method | a route of an HTTP rule, or `POST /package.Service/Method` of a method without one |
//! | a tag | a service |
//! | parameters | wildcards of the path, and the fields that neither path nor body gives, nested ones as `a.b` |
//! | a component | a message or an enum |
//! | `200` | the response, or an item of the stream as `application/x-ndjson` and `text/event-stream` |
//! | `default` | the status of an error |
//!
//! Left out are routes of custom methods such as `PURGE`, which OpenAPI 3.1 cannot express, routes
//! whose path differs from that of an earlier one in `*` and `**` only, extension fields of proto2,
//! and WebSockets. Schemas have the form in which the gateway prints: it reads more than that,
//! such as numbers for 64-bit integers.

mod model;
mod operation;
mod path;
mod query;
mod schema;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use model::{Components, Document, Info, Server, Tag};
use operation::{Operations, STATUS};
use schema::Schemas;

use crate::catalog::Catalog;
use crate::catalog::types::Types;
use crate::json_object::JsonObject;
use crate::transcode::PrintOptions;

/// The settings of the gateway that the document shows.
#[derive(Debug)]
pub(crate) struct Options<'a> {
    pub(crate) print: &'a PrintOptions,
    /// True if streams are arrays by default.
    pub(crate) array_streams: bool,
}

/// Returns the document as JSON.
pub(crate) fn document(catalog: &Catalog, options: &Options<'_>) -> Vec<u8> {
    let methods = catalog.methods_in_order();
    let entries: Vec<_> = methods.iter().map(|method| &***method).collect();
    let types = Types::of(&entries);
    let schemas = Schemas { types: &types, print: options.print };
    let mut operations = Operations::new(&schemas, options);
    let mut routed = HashSet::new();
    for route in catalog.router().routes() {
        routed.insert(route.value().method.path().as_str());
        operations.add_route(route);
    }
    for method in methods.iter().filter(|method| !routed.contains(method.path().as_str())) {
        operations.add_method(method);
    }
    let document = Document {
        openapi: "3.1.0",
        info: Info { title: "gRPC services", version: "unversioned" },
        servers: [Server { url: "/" }],
        tags: tags(&entries),
        paths: operations.into_paths(),
        components: Components { schemas: components(&schemas) },
    };
    // Strings, numbers and objects with names of text can always be written.
    serde_json::to_vec(&document).unwrap_or_default()
}

fn tags(methods: &[&crate::catalog::MethodEntry]) -> Vec<Tag> {
    let services: BTreeSet<_> =
        methods.iter().map(|method| (method.service_name(), &*method.service().comment)).collect();
    let tag = |(name, comment): (&str, &str)| Tag {
        name: name.to_owned(),
        description: comment.to_owned(),
    };
    services.into_iter().map(tag).collect()
}

fn components(schemas: &Schemas<'_>) -> BTreeMap<String, model::Schema> {
    let messages = schemas.types.messages().into_iter();
    let enums = schemas.types.enums().into_iter();
    let mut components: BTreeMap<_, _> = messages
        .map(|(name, message)| (name, schemas.message(&message)))
        .chain(enums.map(|(name, declared)| (name, schemas.enumeration(&declared))))
        .collect();
    components.entry(STATUS.to_owned()).or_insert_with(status);
    components
}

/// Returns the schema of the status of an error.
fn status() -> model::Schema {
    let described = |description: &str, schema: model::Schema| model::Schema {
        description: description.to_owned(),
        ..schema
    };
    let detail = model::Schema {
        properties: [("@type".to_owned(), model::Schema::of_type("string"))].into_iter().collect(),
        ..model::Schema::of_type("object")
    };
    let mut properties = JsonObject::default();
    let code = model::Schema::format("integer", "int32");
    properties.push("code", described("A code of gRPC, 1 to 16.", code));
    properties.push("message", model::Schema::of_type("string"));
    properties.push("details", described("Messages of any type.", model::Schema::list(detail)));
    described(
        "The status of a call.",
        model::Schema { properties, ..model::Schema::of_type("object") },
    )
}
