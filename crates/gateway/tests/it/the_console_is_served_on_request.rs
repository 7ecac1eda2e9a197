use http::Request;
use serde_json::{Value, json};
use sockeye_gateway_testing::{Options, ReflectionVersion, Server};

use crate::library::{library, two_libraries};
use crate::support::{ServedGateway, upstream};

async fn services(gateway: &ServedGateway) -> Value {
    let fetched = gateway.get("/console/services.json").await;
    assert_eq!(fetched.status, 200, "{fetched:?}");
    assert_eq!(fetched.headers["content-type"], "application/json");
    fetched.json()
}

fn find<'v>(list: &'v Value, name: &str) -> &'v Value {
    let mut items = list.as_array().unwrap().iter();
    items.find(|item| item["name"] == name).unwrap_or_else(|| panic!("no {name} in {list:#}"))
}

#[tokio::test]
async fn it_is_off_by_default() {
    let gateway = ServedGateway::start(library().build()).await;
    for path in ["/console", "/console/", "/console/services.json", "/console/app.js"] {
        assert_eq!(gateway.get(path).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_browser_at_the_root_is_led_to_it() {
    let gateway = ServedGateway::start(library().console(true).build()).await;
    let page = "text/html,application/xhtml+xml,*/*;q=0.8";
    let request = |accept| Request::get("/").header("accept", accept).body(String::new()).unwrap();
    let fetched = gateway.fetch(request(page)).await;
    assert_eq!((fetched.status, &fetched.headers["location"]), (307, &"console/".parse().unwrap()));
    assert_eq!(gateway.fetch(request("*/*")).await.status, 404);
    let gateway = ServedGateway::start(library().build()).await;
    assert_eq!(gateway.fetch(request(page)).await.status, 404);
}

#[tokio::test]
async fn its_page_loads_nothing_from_elsewhere() {
    let gateway = ServedGateway::start(library().console(true).build()).await;
    let fetched = gateway.get("/console/").await;
    assert_eq!(
        (fetched.status, &fetched.headers["content-type"]),
        (200, &"text/html; charset=utf-8".parse().unwrap())
    );
    assert!(fetched.text().starts_with("<!doctype html>"));
    for path in ["/console/", "/console/app.js", "/console/services.json", "/console/none"] {
        let fetched = gateway.get(path).await;
        let policy = fetched.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'self';"), "{path}: {policy}");
        assert!(policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-resource-policy", "same-origin"),
        ] {
            let found = fetched.headers.get(name).map(|value| value.to_str().unwrap());
            // The error of an unknown file is the gateway's, as JSON.
            assert!(found == Some(value) || path.ends_with("none"), "{path}: {name}: {found:?}");
        }
    }
    let fetched = gateway.get("/console").await;
    assert_eq!((fetched.status, &fetched.headers["location"]), (308, &"console/".parse().unwrap()));
    assert_eq!(gateway.get("/console/none").await.status, 404);
    assert_eq!(gateway.post("/console/", "{}").await.status, 405);
    let head = Request::head("/console/app.js").body(String::new()).unwrap();
    assert!(gateway.fetch(head).await.body.is_empty());
}

#[tokio::test]
async fn only_pages_of_its_own_origin_read_it() {
    let origins = sockeye::upgrade::OriginPolicy::any();
    let gateway = ServedGateway::start(library().console(true).origins(origins).build()).await;
    let from = |origin: &str| {
        let request = Request::get("/console/services.json").header("origin", origin);
        request.body(String::new()).unwrap()
    };
    let fetched = gateway.fetch(from("https://other.example")).await;
    assert_eq!(fetched.status, 403);
    let fetched = gateway.fetch(from("http://gateway.test")).await;
    assert_eq!(fetched.status, 200);
    assert!(!fetched.headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn its_services_have_methods_routes_and_comments() {
    let gateway = ServedGateway::start(library().console(true).build()).await;
    let document = services(&gateway).await;
    let service = find(&document["services"], "library.Books");
    assert_eq!(service["comment"], "Lends books.");
    let names: Vec<_> =
        service["methods"].as_array().unwrap().iter().map(|method| &method["name"]).collect();
    assert_eq!(names, ["Get", "Update", "Delete", "Watch", "Upload", "Any"]);
    let get = find(&service["methods"], "Get");
    assert_eq!(get["path"], "/library.Books/Get");
    assert_eq!(get["input"], json!({"kind": "message", "type": "library.Book"}));
    assert_eq!(
        get["routes"],
        json!([
            {"method": "GET", "path": "/v1/{name=shelves/*/books/*}", "body": "", "responseBody": ""},
            {"method": "GET", "path": "/v1/books/{title}:find", "body": "", "responseBody": "author"},
        ])
    );
    assert_eq!(find(&service["methods"], "Any")["routes"][0]["method"], "*");
    assert_eq!(find(&service["methods"], "Upload")["clientStreaming"], true);
    assert_eq!(find(&service["methods"], "Update")["deprecated"], true);
}

#[tokio::test]
async fn its_types_have_the_fields_of_forms() {
    let gateway = ServedGateway::start(library().console(true).build()).await;
    let document = services(&gateway).await;
    let fields = &document["messages"]["library.Book"]["fields"];
    let name = find(fields, "name");
    assert_eq!(
        (&name["kind"], &name["comment"], &name["presence"]),
        (&json!("string"), &json!("The name."), &json!(false))
    );
    let labels = find(fields, "labels");
    assert_eq!(
        (&labels["cardinality"], &labels["key"], &labels["kind"]),
        (&json!("map"), &json!("string"), &json!("int32"))
    );
    let size = find(fields, "file_size");
    assert_eq!((&size["jsonName"], &size["oneof"]), (&json!("fileSize"), &json!("form")));
    for (name, kind) in [
        ("published", "timestamp"),
        ("loan", "duration"),
        ("extra", "struct"),
        ("note", "string"),
        ("other", "any"),
    ] {
        assert_eq!(find(fields, name)["kind"], kind, "{name}");
    }
    assert_eq!(find(fields, "author")["type"], "library.Author");
    let genre = &document["enums"]["library.Genre"]["values"];
    assert_eq!(genre[1], json!({"name": "NOVEL", "number": 1, "comment": "Invented."}));
}

#[tokio::test]
async fn its_examples_have_every_field_and_end() {
    let gateway = ServedGateway::start(library().console(true).build()).await;
    let document = services(&gateway).await;
    let get = find(&document["services"][0]["methods"], "Get");
    let example = &get["example"];
    assert_eq!(example["code"], "0");
    assert_eq!(example["genre"], "UNKNOWN");
    assert_eq!(example["author"], json!({"name": ""}));
    assert_eq!(example["labels"], json!({"key": 0}));
    assert_eq!(example["published"], "1970-01-01T00:00:00Z");
    assert!(example.get("paper").is_some() && example.get("fileSize").is_none());
    // A book within a book.
    assert!(example.get("sequel").is_none());
    // An example can be sent as it is.
    let server = Server::start().await;
    let builder = sockeye_gateway::Gateway::builder().upstream(upstream(&server.url()));
    let gateway = ServedGateway::start(builder.console(true).build()).await;
    let document = services(&gateway).await;
    let echo = find(&document["services"], "sockeye.gateway.testing.Echo");
    let unary = find(&echo["methods"], "Unary");
    let fetched =
        gateway.post(unary["path"].as_str().unwrap(), &unary["example"].to_string()).await;
    assert_eq!(fetched.status, 200, "{fetched:?}");
}

#[tokio::test]
async fn different_types_of_one_name_are_told_apart() {
    let gateway = ServedGateway::start(two_libraries().console(true).build()).await;
    let document = services(&gateway).await;
    // The services are in the order of their names.
    let authors = find(&document["services"], "library.Authors");
    assert_eq!(authors["methods"][0]["input"]["type"], "library.Author");
    let book = &document["messages"]["library.Book-2"];
    assert_eq!(find(&book["fields"], "author")["type"], "library.Author-2");
}

#[tokio::test]
async fn it_says_why_services_are_missing() {
    let options = Options { reflection: ReflectionVersion::None, ..Options::default() };
    let server = Server::start_with(options).await.unwrap();
    let builder = sockeye_gateway::Gateway::builder().upstream(upstream(&server.url()));
    let gateway = ServedGateway::start(builder.console(true).openapi(true).build()).await;
    let state = gateway.get("/console/gateway.json").await.json();
    assert_eq!(state["openapi"], true);
    assert_eq!(state["problems"].as_array().unwrap().len(), 1, "{state}");
    assert_eq!(services(&gateway).await["services"], json!([]));
}
