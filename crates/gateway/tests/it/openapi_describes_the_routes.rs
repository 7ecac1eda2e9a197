use http::Request;
use serde_json::{Value, json};
use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::transcode::PrintOptions;

use crate::library::{library, two_libraries};
use crate::support::ServedGateway;
use crate::support::raw_upstream::descriptors;
use crate::support::upstream;

async fn document(gateway: Gateway) -> Value {
    let fetched = ServedGateway::start(gateway).await.get("/openapi.json").await;
    assert_eq!(fetched.status, 200, "{fetched:?}");
    assert_eq!(fetched.headers["content-type"], "application/json");
    fetched.json()
}

/// Returns the value at a path of names with slashes between them; `~1` is a slash.
fn at<'d>(document: &'d Value, pointer: &str) -> &'d Value {
    document.pointer(pointer).unwrap_or_else(|| panic!("no {pointer} in {document:#}"))
}

fn names<'d>(operation: &'d Value, place: &str) -> Vec<&'d str> {
    let parameters = operation["parameters"].as_array().unwrap().iter();
    let wanted = parameters.filter(|parameter| parameter["in"] == place);
    wanted.map(|parameter| parameter["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn paths_have_the_operations_of_rules_and_methods() {
    let document = document(library().openapi(true).build()).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths: Vec<_> = document["paths"].as_object().unwrap().keys().collect();
    assert_eq!(
        paths,
        [
            "/library.Books/Upload",
            "/v1/any",
            "/v1/books/{name}",
            "/v1/books/{title}:find",
            "/v1/shelves/{name.1}/books/{name.2}",
            "/v1/watch",
        ]
    );
    let get = at(&document, "/paths/~1v1~1shelves~1{name.1}~1books~1{name.2}/get");
    assert_eq!(get["operationId"], "Books_Get");
    assert_eq!(get["tags"], json!(["library.Books"]));
    assert_eq!(get["summary"], "Finds a book.");
    assert_eq!(get["description"], "The name has the form of a path.");
    assert_eq!(names(get, "path"), ["name.1", "name.2"]);
    assert_eq!(at(&document, "/paths/~1v1~1books~1{title}:find/get/operationId"), "Books_Get2");
    assert_eq!(document["tags"], json!([{"name": "library.Books", "description": "Lends books."}]));
    // Two paths that differ in the names of parameters only are one.
    let books = at(&document, "/paths/~1v1~1books~1{name}");
    assert_eq!(books["delete"]["operationId"], "Books_Delete");
    assert_eq!(books["patch"]["deprecated"], true);
    assert_eq!(names(&books["patch"], "path"), ["name"]);
    assert_eq!(books["patch"]["parameters"][0]["description"], "The field `book.title`.");
    let any: Vec<_> = at(&document, "/paths/~1v1~1any").as_object().unwrap().keys().collect();
    assert_eq!(any, ["patch", "post", "put"]);
}

#[tokio::test]
async fn the_fields_of_a_request_are_in_path_query_and_body() {
    let document = document(library().openapi(true).build()).await;
    let find = at(&document, "/paths/~1v1~1books~1{title}:find/get");
    let query = names(find, "query");
    for name in ["name", "code", "author.name", "tags", "labels", "published", "extra", "note"] {
        assert!(query.contains(&name), "{name} in {query:?}");
    }
    for name in ["title", "author", "reviews", "other", "sequel", "sequel.name"] {
        assert!(!query.contains(&name), "{name} in {query:?}");
    }
    let parameter = |name: &str| {
        let mut parameters = find["parameters"].as_array().unwrap().iter();
        parameters.find(|parameter| parameter["name"] == name).unwrap()
    };
    assert_eq!(parameter("labels")["style"], "deepObject");
    assert_eq!(parameter("extra")["content"]["application/json"]["schema"]["type"], "object");
    assert_eq!(parameter("tags")["schema"]["items"]["type"], "string");
    assert_eq!(parameter("title")["required"], true);
    assert_eq!(parameter("name")["description"], "The name.");
    // The response is one field of the message.
    let schema = at(find, "/responses/200/content/application~1json/schema");
    assert_eq!(schema, &json!({"$ref": "#/components/schemas/library.Author"}));

    let update = at(&document, "/paths/~1v1~1books~1{name}/patch");
    let schema = at(update, "/requestBody/content/application~1json/schema");
    assert_eq!(schema, &json!({"$ref": "#/components/schemas/library.Book"}));
    assert_eq!(names(update, "query"), ["mask", "force"]);
}

#[tokio::test]
async fn schemas_are_those_of_protobufs_json() {
    let document =
        document(library().openapi(true).print_options(PrintOptions::default()).build()).await;
    let book = at(&document, "/components/schemas/library.Book");
    let properties = &book["properties"];
    for (name, expected) in [
        ("name", json!({"type": "string", "description": "The name."})),
        ("code", json!({"type": "string", "format": "int64"})),
        ("cover", json!({"type": "string", "contentEncoding": "base64"})),
        ("rating", json!({"type": "number", "format": "double"})),
        ("genre", json!({"$ref": "#/components/schemas/library.Genre"})),
        ("author", json!({"$ref": "#/components/schemas/library.Author"})),
        (
            "labels",
            json!({"type": "object", "additionalProperties": {"type": "integer", "format": "int32"}}),
        ),
        ("published", json!({"type": "string", "format": "date-time"})),
        ("extra", json!({"type": "object"})),
        ("note", json!({"type": "string"})),
        ("fileSize", json!({"type": "integer", "format": "uint32"})),
        ("old", json!({"type": "boolean", "deprecated": true})),
    ] {
        assert_eq!(properties[name], expected, "{name}");
    }
    assert_eq!(properties["other"]["required"], json!(["@type"]));
    assert_eq!(book["description"], "A book.");
    let one_of = at(book, "/allOf/0/oneOf");
    assert_eq!(one_of[0], json!({"required": ["paper"]}));
    assert_eq!(one_of[1], json!({"required": ["fileSize"]}));
    let genre = at(&document, "/components/schemas/library.Genre");
    assert_eq!(genre["enum"], json!(["UNKNOWN", "NOVEL"]));
    assert_eq!(genre["description"], "`NOVEL`: Invented.");
    let schemas = document["components"]["schemas"].as_object().unwrap();
    assert!(!schemas.keys().any(|name| name.ends_with("Entry") || name.ends_with("Timestamp")));
}

#[tokio::test]
async fn the_schemas_follow_the_options_of_printing() {
    let print = PrintOptions::rest().proto_names(true).enums_as_numbers(true);
    let document = document(library().openapi(true).print_options(print).build()).await;
    let properties = at(&document, "/components/schemas/library.Book/properties");
    assert!(properties.get("file_size").is_some() && properties.get("fileSize").is_none());
    // The gateway prints unset messages as null.
    assert_eq!(properties["author"]["anyOf"][1], json!({"type": "null"}));
    assert_eq!(at(&document, "/components/schemas/library.Genre/enum"), &json!([0, 1]));
}

#[tokio::test]
async fn streams_and_errors_have_their_forms() {
    let document = document(library().openapi(true).build()).await;
    let watch = at(&document, "/paths/~1v1~1watch/get/responses");
    let line = at(watch, "/200/content/application~1x-ndjson/schema/properties");
    assert_eq!(line["result"], json!({"$ref": "#/components/schemas/library.Book"}));
    let event = at(watch, "/200/content/text~1event-stream/schema/anyOf/0");
    assert_eq!(event, &json!({"$ref": "#/components/schemas/library.Book"}));
    let error = at(watch, "/default/content/application~1json/schema");
    assert_eq!(error, &json!({"$ref": "#/components/schemas/google.rpc.Status"}));
    assert_eq!(
        at(&document, "/components/schemas/google.rpc.Status/properties/code/type"),
        "integer"
    );
    let upload = at(&document, "/paths/~1library.Books~1Upload/post/requestBody/content");
    assert_eq!(at(upload, "/application~1json/schema/type"), "array");
}

#[tokio::test]
async fn bodies_of_any_type_are_bytes() {
    let source = Source::new(upstream("http://127.0.0.1:1"));
    let source = source.descriptors(Descriptors::Fixed(descriptors("bodies.proto")));
    let document = document(Gateway::builder().source(source).openapi(true).build()).await;
    let (request, response) = ("requestBody/content", "responses/200/content");
    let (raw, json) = (&["*/*"][..], &["application/json"][..]);
    for (operation, content, types) in [
        ("~1v1~1raw/post", request, raw),
        ("~1v1~1raw/post", response, raw),
        ("~1v1~1files~1{name}/put", request, raw),
        ("~1v1~1files~1{name}/put", response, raw),
        ("~1v1~1files~1{name}/post", request, raw),
        ("~1v1~1files~1{name}/post", response, json),
        ("~1v1~1files~1{name}/get", response, raw),
        ("~1v1~1items~1{item.id}/patch", request, json),
    ] {
        let content = at(&document, &format!("/paths/{operation}/{content}"));
        let found: Vec<_> = content.as_object().unwrap().keys().collect();
        assert_eq!(found, types, "{operation}");
    }
    let error = at(&document, "/paths/~1v1~1raw/post/responses/default/content");
    assert!(error.get("application/json").is_some(), "{error}");
}

#[tokio::test]
async fn every_reference_has_a_schema_and_every_id_is_used_once() {
    for gateway in [library(), two_libraries()] {
        let document = document(gateway.openapi(true).build()).await;
        let mut references = Vec::new();
        collect(&document, "$ref", &mut references);
        assert!(references.len() > 10);
        for reference in references {
            let pointer = reference.as_str().unwrap().strip_prefix('#').unwrap();
            at(&document, pointer);
        }
        let mut ids = Vec::new();
        collect(&document, "operationId", &mut ids);
        let ids: Vec<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
        let unique: std::collections::BTreeSet<_> = ids.iter().collect();
        assert_eq!(unique.len(), ids.len(), "{ids:?}");
    }
}

/// Collects all members of a name.
fn collect<'d>(value: &'d Value, name: &str, found: &mut Vec<&'d Value>) {
    match value {
        Value::Object(members) => {
            found.extend(members.get(name));
            members.values().for_each(|member| collect(member, name, found));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, name, found)),
        _ => {}
    }
}

#[tokio::test]
async fn different_types_of_one_name_are_two_schemas() {
    let document = document(two_libraries().openapi(true).build()).await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    // The services are in the order of their names.
    assert!(schemas["library.Author"]["properties"].get("surname").is_some());
    assert!(schemas["library.Author-2"]["properties"].get("name").is_some());
    let write = at(&document, "/paths/~1library.Authors~1Write/post/requestBody/content");
    let schema = at(write, "/application~1json/schema");
    assert_eq!(schema, &json!({"$ref": "#/components/schemas/library.Author"}));
    let author = &schemas["library.Book-2"]["properties"]["author"]["anyOf"][0];
    assert_eq!(author, &json!({"$ref": "#/components/schemas/library.Author-2"}));
}

#[tokio::test]
async fn the_document_is_off_by_default_and_for_allowed_origins() {
    let gateway = ServedGateway::start(library().build()).await;
    assert_eq!(gateway.get("/openapi.json").await.status, 404);
    let gateway = ServedGateway::start(library().openapi(true).build()).await;
    let from = |origin: &str| {
        Request::get("/openapi.json").header("origin", origin).body(String::new()).unwrap()
    };
    assert_eq!(gateway.fetch(from("https://evil.example")).await.status, 403);
    let fetched = gateway.fetch(from("http://gateway.test")).await;
    assert_eq!(fetched.headers["access-control-allow-origin"], "http://gateway.test");
    let head = Request::head("/openapi.json").body(String::new()).unwrap();
    let fetched = gateway.fetch(head).await;
    assert!(fetched.status == 200 && fetched.body.is_empty());
}
