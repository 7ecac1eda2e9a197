//! Operations of routes and methods.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::Options;
use super::model::{
    Content, MediaType, Operation, Parameter, PathItem, RequestBody, Response, Schema, content,
};
use super::path::{Path, PathParameter};
use super::query::{Query, fields_of_path};
use super::schema::Schemas;
use crate::catalog::{MethodEntry, RouteBody, RouteTarget};
use crate::json_object::JsonObject;
use crate::route::{MethodKind, Route};
use crate::transcode::FieldPath;

/// The component with the schema of errors.
pub(super) const STATUS: &str = "google.rpc.Status";

/// The media type of bodies whose content type each request or response tells by itself.
const ANY_TYPE: &str = "*/*";

/// The description of such a body.
const RAW_BODY: &str = "Bytes of the type that the header `content-type` tells.";

/// Maximum number of operations. Chosen: beyond all methods of Google's APIs.
const MAX_OPERATIONS: usize = 10_000;

/// Collects the operations of a document by their paths.
pub(super) struct Operations<'c> {
    schemas: &'c Schemas<'c>,
    options: &'c Options<'c>,
    paths: BTreeMap<String, PathItem>,
    /// The names of parameters by the path without them.
    known_paths: HashMap<String, Vec<String>>,
    ids: OperationIds,
    count: usize,
}

/// The bodies of an operation that are bytes, and no JSON.
#[derive(Clone, Copy, Default)]
struct Bodies {
    has_raw_request: bool,
    has_raw_response: bool,
}

/// The ids of operations, each of which is used once.
#[derive(Default)]
struct OperationIds {
    used: HashSet<String>,
    /// By the path of the method.
    bases: HashMap<String, String>,
}

impl<'c> Operations<'c> {
    pub(super) fn new(schemas: &'c Schemas<'c>, options: &'c Options<'c>) -> Self {
        Self {
            schemas,
            options,
            paths: BTreeMap::new(),
            known_paths: HashMap::new(),
            ids: OperationIds::default(),
            count: 0,
        }
    }

    pub(super) fn into_paths(self) -> BTreeMap<String, PathItem> {
        self.paths
    }

    /// Adds the operations of a route. A path and method that an earlier route has stay with it,
    /// and custom methods have no form in OpenAPI 3.1.
    pub(super) fn add_route(&mut self, route: &Route<RouteTarget>) {
        let target = route.value();
        let mut path = Path::of(route.template());
        path.unify(&mut self.known_paths);
        let methods: &[&str] = match (route.kind(), &target.body) {
            (MethodKind::Any, RouteBody::None) => &["get", "put", "post", "delete", "patch"],
            (MethodKind::Any, _) => &["put", "post", "patch"],
            (MethodKind::Exact(method), _) => match method.as_str() {
                "GET" => &["get"],
                "PUT" => &["put"],
                "POST" => &["post"],
                "DELETE" => &["delete"],
                "PATCH" => &["patch"],
                "HEAD" => &["head"],
                "OPTIONS" => &["options"],
                "TRACE" => &["trace"],
                _ => &[],
            },
        };
        for method in methods {
            let bodies = Bodies {
                has_raw_request: target.has_raw_request(),
                has_raw_response: target.has_raw_response(),
            };
            self.add(method, &path, target, bodies);
        }
    }

    /// Adds the operation by which a method without a route is called.
    pub(super) fn add_method(&mut self, method: &Arc<MethodEntry>) {
        let target =
            RouteTarget { method: Arc::clone(method), body: RouteBody::Whole, response_body: None };
        let path = Path { text: method.path().to_string(), parameters: Vec::new() };
        // Without a rule, bodies are the JSON of messages, whatever their type is.
        self.add("post", &path, &target, Bodies::default());
    }

    fn add(&mut self, http_method: &str, path: &Path, target: &RouteTarget, bodies: Bodies) {
        let item = self.paths.get(&path.text);
        if self.count == MAX_OPERATIONS || item.is_some_and(|item| item.contains_key(http_method)) {
            return;
        }
        self.count += 1;
        let method = &target.method;
        let descriptor = method.descriptor();
        let (summary, mut paragraphs) = split_comment(&descriptor.comment);
        if descriptor.client_streaming && descriptor.server_streaming {
            let note = "Requests and responses are streams at the same time, which needs HTTP/2.";
            paragraphs.push(note.to_owned());
        }
        let operation = Operation {
            tags: [method.service_name().to_owned()],
            summary,
            description: paragraphs.join("\n\n"),
            id: self.ids.next(method),
            parameters: parameters(self.schemas, path, target),
            request_body: self.request_body(target, bodies),
            responses: self.responses(target, bodies),
            deprecated: descriptor.deprecated,
        };
        let item = self.paths.entry(path.text.clone()).or_default();
        item.insert(http_method.to_owned(), operation);
    }

    fn request_body(&self, target: &RouteTarget, bodies: Bodies) -> Option<RequestBody> {
        if bodies.has_raw_request {
            let description = RAW_BODY.to_owned();
            let content = content(ANY_TYPE, Schema::default());
            return Some(RequestBody { description, content });
        }
        let method = &target.method;
        let schema = match &target.body {
            RouteBody::None => return None,
            RouteBody::Whole => self.schemas.of_message(method.schema(), method.input()),
            RouteBody::Field(path) => self.of_field(target, method.input(), path),
        };
        let (description, schema) = if method.descriptor().client_streaming {
            let description = "The messages as an array, or one after the other.";
            (description.to_owned(), Schema::list(schema))
        } else {
            (String::new(), schema)
        };
        Some(RequestBody { description, content: content("application/json", schema) })
    }

    fn responses(&self, target: &RouteTarget, bodies: Bodies) -> BTreeMap<&'static str, Response> {
        let method = &target.method;
        let message = || match &target.response_body {
            None => self.schemas.of_message(method.schema(), method.output()),
            Some(path) => self.of_field(target, method.output(), path),
        };
        let success = if bodies.has_raw_response {
            Response {
                description: RAW_BODY.to_owned(),
                content: content(ANY_TYPE, Schema::default()),
            }
        } else if method.descriptor().server_streaming {
            Response {
                description: "The messages, as they arrive.".to_owned(),
                content: self.stream(&message),
            }
        } else {
            Response {
                description: "The response.".to_owned(),
                content: content("application/json", message()),
            }
        };
        let failure = Response {
            description: "The status of a call that failed.".to_owned(),
            content: content("application/json", Schema::reference(STATUS)),
        };
        BTreeMap::from([("200", success), ("default", failure)])
    }

    /// Returns the content of a stream. The schemas are those of one item: OpenAPI 3.1 has no
    /// others for streams.
    fn stream(&self, message: &dyn Fn() -> Schema) -> Content {
        let mut item = JsonObject::default();
        item.push("result", message());
        item.push("error", Schema::reference(STATUS));
        let item = Schema {
            description: "An item of the stream: a message, or at the end an error.".to_owned(),
            properties: item,
            ..Schema::of_type("object")
        };
        let event = Schema {
            description:
                "The data of an event. The last event is `end`, after an event `error` if \
                          the call failed."
                    .to_owned(),
            any_of: vec![message(), Schema::reference(STATUS)],
            ..Schema::default()
        };
        let (media_type, schema) = if self.options.array_streams {
            ("application/json", Schema::list(item))
        } else {
            ("application/x-ndjson", item)
        };
        BTreeMap::from([
            (media_type, MediaType { schema }),
            ("text/event-stream", MediaType { schema: event }),
        ])
    }

    fn of_field(
        &self,
        target: &RouteTarget,
        message: crate::descriptor::MessageId,
        path: &FieldPath,
    ) -> Schema {
        let schema = target.method.schema();
        let fields = fields_of_path(schema, message, path.text());
        fields.last().map_or_else(Schema::default, |field| self.schemas.field(schema, field))
    }
}

/// Returns the parameters of the path and of the query.
fn parameters(schemas: &Schemas<'_>, path: &Path, target: &RouteTarget) -> Vec<Parameter> {
    let method = &target.method;
    let schema = method.schema();
    let mut query = Query::new(schemas, schema);
    let mut parameters = Vec::new();
    for parameter in &path.parameters {
        parameters.push(path_parameter(schemas, target, parameter));
        if let Some(field_path) = &parameter.field_path {
            query.exclude(method.input(), field_path);
        }
    }
    match &target.body {
        RouteBody::Whole => return parameters,
        RouteBody::Field(field) => query.exclude(method.input(), field.text()),
        RouteBody::None => {}
    }
    parameters.extend(query.parameters(method.input()));
    parameters
}

fn path_parameter(
    schemas: &Schemas<'_>,
    target: &RouteTarget,
    parameter: &PathParameter,
) -> Parameter {
    let schema = target.method.schema();
    let fields = parameter
        .field_path
        .as_ref()
        .map(|path| fields_of_path(schema, target.method.input(), path))
        .unwrap_or_default();
    match fields.last() {
        Some(field) if parameter.is_whole => {
            parameter.describe(schemas.field(schema, field), &field.comment)
        }
        Some(field) => parameter.describe(Schema::of_type("string"), &field.comment),
        None => parameter.describe(Schema::of_type("string"), ""),
    }
}

/// Splits a comment into its first sentence and the paragraphs that follow.
fn split_comment(comment: &str) -> (String, Vec<String>) {
    let (first, others) = comment.split_once("\n\n").unwrap_or((comment, ""));
    // Definitions wrap their comments at a column.
    let first = first.split_whitespace().collect::<Vec<_>>().join(" ");
    let (sentence, rest) = match first.split_once(". ") {
        Some((sentence, rest)) => (format!("{sentence}."), rest.to_owned()),
        None => (first, String::new()),
    };
    let paragraphs = [rest, others.trim().to_owned()].into_iter();
    (sentence, paragraphs.filter(|paragraph| !paragraph.is_empty()).collect())
}

impl OperationIds {
    /// Returns the id of the next operation of a method: `Service_Method`, with the package if
    /// another method has that name, and with a number from the second operation on.
    fn next(&mut self, method: &MethodEntry) -> String {
        let path = method.path().as_str();
        if let Some(base) = self.bases.get(path) {
            let mut numbered = (2..).map(|number: usize| format!("{base}{number}"));
            // One of the first `used.len() + 1` is free.
            let id = numbered.find(|id| !self.used.contains(id)).unwrap_or_default();
            self.used.insert(id.clone());
            return id;
        }
        let full = path.trim_start_matches('/').replace(['/', '.'], "_");
        let service = method.service_name();
        let service = service.rsplit('.').next().unwrap_or(service);
        let short = format!("{service}_{}", method.descriptor().name);
        let candidates = [short, full.clone()].into_iter();
        let numbered = (2..).map(|number: usize| format!("{full}_{number}"));
        let id = candidates.chain(numbered).find(|id| !self.used.contains(id)).unwrap_or(full);
        self.used.insert(id.clone());
        self.bases.insert(path.to_owned(), id.clone());
        id
    }
}
