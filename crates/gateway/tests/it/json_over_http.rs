use std::time::Duration;

use http::Request;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway::metadata::MetadataPolicy;
use sockeye_gateway_testing::{Proxy, Server};
use tokio::time::timeout;

use crate::support::{LIMIT, ServedGateway, next_data, upstream, wait_for};

const RPC: &str = "/sockeye.gateway.testing.Echo";

async fn serve() -> (Server, ServedGateway) {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    (server, gateway)
}

#[tokio::test]
async fn path_query_and_body_make_the_request() {
    let (_server, gateway) = serve().await;
    let fetched = gateway.get("/v1/echo/a%20b?number=7&list=x&list=y&child.text=c").await;
    assert_eq!(fetched.status, 200, "{fetched:?}");
    assert_eq!(fetched.headers["content-type"], "application/json");
    let reply = fetched.json();
    assert_eq!(reply["text"], "a b");
    // 64 bits are text in JSON.
    assert_eq!(reply["number"], "7");
    assert_eq!(reply["list"], json!(["x", "y"]));
    assert_eq!(reply["child"]["text"], "c");

    let fetched = gateway.post("/v1/echo", r#"{"text":"posted","data":"AAE="}"#).await;
    assert_eq!((fetched.status, &fetched.json()["text"]), (200, &json!("posted")));
    assert_eq!(fetched.json()["data"], "AAE=");

    let request =
        Request::put("/v1/echo/outer?number=1").header("content-type", "application/json");
    let fetched = gateway.fetch(request.body(r#"{"text":"inner"}"#.to_owned()).unwrap()).await;
    let reply = fetched.json();
    assert_eq!((&reply["text"], &reply["child"]["text"]), (&json!("outer"), &json!("inner")));
    assert_eq!(reply["number"], "1");

    let fetched = gateway.get("/v1/echo/x:child?child.text=part").await;
    assert_eq!(fetched.json()["text"], "part");
}

#[tokio::test]
async fn a_method_without_a_rule_is_called_by_its_path() {
    let (_server, gateway) = serve().await;
    let fetched = gateway.post(&format!("{RPC}/Unary"), r#"{"text":"by path"}"#).await;
    assert_eq!((fetched.status, &fetched.json()["text"]), (200, &json!("by path")));
    let fetched = gateway.post(&format!("{RPC}/Unary"), "").await;
    assert_eq!((fetched.status, &fetched.json()["text"]), (200, &json!("")));
    assert_eq!(gateway.post(&format!("{RPC}/Unknown"), "{}").await.status, 404);
    assert_eq!(gateway.get(&format!("{RPC}/Unary")).await.status, 405);
}

#[tokio::test]
async fn head_is_get_without_a_body() {
    let (_server, gateway) = serve().await;
    let length = gateway.get("/v1/echo/x").await.body.len();
    let request = Request::head("/v1/echo/x").body(String::new()).unwrap();
    let fetched = gateway.fetch(request).await;
    assert_eq!((fetched.status, fetched.body.len()), (200, 0));
    assert_eq!(fetched.headers["content-length"], length.to_string());
}

#[tokio::test]
async fn wrong_requests_have_their_http_status() {
    let (_server, gateway) = serve().await;
    assert_eq!(gateway.get("/v1/nothing").await.status, 404);
    let fetched = gateway.post("/v1/echo/x", "{}").await;
    assert_eq!((fetched.status, fetched.json()["code"].clone()), (405, json!(12)));
    assert_eq!(fetched.headers["allow"], "GET, HEAD, PUT");
    for (path, body) in [
        ("/v1/echo", "{"),
        ("/v1/echo", r#"{"number":"x"}"#),
        ("/v1/echo", r#"{"text":1}"#),
        ("/v1/echo", "{}{}"),
    ] {
        let fetched = gateway.post(path, body).await;
        assert_eq!((fetched.status, fetched.json()["code"].clone()), (400, json!(3)), "{body}");
    }
    assert_eq!(gateway.get("/v1/echo/x?number=y").await.status, 400);
    assert_eq!(gateway.get("/v1/echo/%zz").await.status, 400);
    // What a page of any origin can send without asking.
    let request = Request::post("/v1/echo").header("content-type", "text/plain");
    let fetched = gateway.fetch(request.body("{}".to_owned()).unwrap()).await;
    assert_eq!(fetched.status, 415);
}

#[tokio::test]
async fn an_error_has_the_status_the_message_and_the_details() {
    let (_server, gateway) = serve().await;
    let body = r#"{"code":5,"message":"no such thing","detail":{"text":"why"}}"#;
    let fetched = gateway.post("/v1/fail-unary", body).await;
    assert_eq!(fetched.status, 404);
    let error = fetched.json();
    assert_eq!((&error["code"], &error["message"]), (&json!(5), &json!("no such thing")));
    let detail = &error["details"][0];
    assert_eq!(detail["@type"], "type.googleapis.com/sockeye.gateway.testing.EchoMessage");
    assert_eq!(detail["text"], "why");
    let fetched =
        gateway.post("/v1/fail-unary", r#"{"code":16,"message":"x\r\nset-cookie: a=b"}"#).await;
    assert_eq!(
        (fetched.status, &fetched.headers["www-authenticate"]),
        (401, &"Bearer".parse().unwrap())
    );
}

#[tokio::test]
async fn a_stream_is_lines_or_events() {
    let (_server, gateway) = serve().await;
    let fetched = gateway.get("/v1/repeat/x?number=2").await;
    assert_eq!(fetched.headers["content-type"], "application/x-ndjson");
    let lines: Vec<serde_json::Value> =
        fetched.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[1]["result"]["number"], "1");

    let request = Request::get("/v1/repeat/x?number=2").header("accept", "text/event-stream");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!(fetched.headers["content-type"], "text/event-stream");
    assert_eq!(fetched.headers["x-accel-buffering"], "no");
    let events: Vec<_> = fetched.text().split("\n\n").filter(|event| !event.is_empty()).collect();
    assert_eq!(events.len(), 3, "{events:?}");
    assert!(events[0].starts_with("data: {"));
    assert!(events[2].starts_with("event: end\n"), "{events:?}");
}

#[tokio::test]
async fn a_stream_that_fails_has_the_status_before_or_after_its_messages() {
    let (_server, gateway) = serve().await;
    let fetched = gateway.post("/v1/fail", r#"{"code":9,"message":"early"}"#).await;
    assert_eq!((fetched.status, fetched.json()["code"].clone()), (400, json!(9)));
    let fetched = gateway.post("/v1/fail", r#"{"code":9,"message":"late","number":2}"#).await;
    assert_eq!(fetched.status, 200);
    let lines: Vec<serde_json::Value> =
        fetched.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[2]["error"]["code"], 9);
    assert_eq!(lines[2]["error"]["message"], "late");
}

#[tokio::test]
async fn a_client_stream_is_concatenated_values_or_an_array() {
    let (_server, gateway) = serve().await;
    for body in [r#"{"text":"a"}{"text":"b"}"#, r#"[{"text":"a"},{"text":"b"}]"#] {
        let fetched = gateway.post("/v1/collect", body).await;
        assert_eq!(fetched.status, 200, "{fetched:?}");
        assert_eq!(
            (&fetched.json()["text"], &fetched.json()["number"]),
            (&json!("ab"), &json!("2"))
        );
    }
    let fetched = gateway.post("/v1/collect", r#"{"text":"a"}{"text":5}"#).await;
    assert_eq!(fetched.status, 400, "{fetched:?}");
    // Both directions at a time need HTTP/2.
    assert_eq!(gateway.post("/v1/chat", "{}").await.status, 505);
}

#[tokio::test]
async fn the_headers_of_a_stream_do_not_wait_for_the_first_message() {
    let (server, gateway) = serve().await;
    // `Wait` sends its headers with its message, after a minute; `Stall` sends one message only.
    let request = Request::get("/v1/stall?text=x").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    let first = timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    assert!(first.starts_with(b"{\"result\":"));
    drop(response);
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn an_upstream_that_dies_ends_a_stream_with_an_error_line() {
    let server = Server::start().await;
    let proxy = Proxy::start(server.address()).await.unwrap();
    let gateway = Gateway::builder().upstream(upstream(&proxy.url())).build();
    let gateway = ServedGateway::start(gateway).await;
    let request = Request::get("/v1/stall").body(String::new()).unwrap();
    let mut response = gateway.send(request).await;
    timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    proxy.cut();
    let last = timeout(LIMIT, next_data(response.body_mut())).await.unwrap().unwrap();
    let last: serde_json::Value = serde_json::from_slice(&last).unwrap();
    assert_eq!(last["error"]["code"], 14);
    assert!(timeout(LIMIT, next_data(response.body_mut())).await.unwrap().is_none());
}

#[tokio::test]
async fn a_client_that_leaves_cancels_its_call_upstream() {
    let (server, gateway) = serve().await;
    let request = Request::get("/v1/wait/60000").body(String::new()).unwrap();
    let sending = gateway.send(request);
    assert!(timeout(Duration::from_millis(300), sending).await.is_err());
    wait_for(server.echo.in_progress(), 0).await;
}

#[tokio::test]
async fn a_timeout_in_seconds_is_enforced() {
    let (server, gateway) = serve().await;
    let request = Request::get("/v1/wait/60000").header("x-server-timeout", "0.1");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!((fetched.status, fetched.json()["code"].clone()), (504, json!(4)));
    wait_for(server.echo.in_progress(), 0).await;
    let request = Request::get("/v1/wait/0").header("x-server-timeout", "-1");
    assert_eq!(gateway.fetch(request.body(String::new()).unwrap()).await.status, 400);
}

#[tokio::test]
async fn only_listed_headers_are_metadata() {
    let server = Server::start().await;
    let mut policy = MetadataPolicy::default();
    policy.allow = vec!["x-tenant".parse().unwrap()];
    policy.expose = vec!["x-echo".parse().unwrap()];
    let gateway = Gateway::builder().upstream(upstream(&server.url())).metadata(policy).build();
    let gateway = ServedGateway::start(gateway).await;
    let request = Request::get("/v1/metadata")
        .header("x-tenant", "a")
        .header("authorization", "Bearer t")
        .header("x-internal-user", "root")
        .header("grpc-metadata-x-admin", "yes");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    let reply = fetched.json();
    let names: Vec<_> =
        reply["entries"].as_array().unwrap().iter().map(|entry| &entry["name"]).collect();
    for name in ["x-tenant", "authorization"] {
        assert!(names.contains(&&json!(name)), "{names:?}");
    }
    for name in ["x-internal-user", "x-admin", "grpc-metadata-x-admin"] {
        assert!(!names.contains(&&json!(name)), "{names:?}");
    }
    assert_eq!(fetched.headers["x-echo"], "from the server");
    assert!(!fetched.headers.contains_key("x-internal"));
}

#[tokio::test]
async fn pages_of_other_origins_may_not_call() {
    let (server, gateway) = serve().await;
    for content_type in ["application/json", "application/grpc-web", "application/proto"] {
        let request = Request::post(format!("{RPC}/Unary"))
            .header("origin", "https://evil.example")
            .header("content-type", content_type);
        let fetched = gateway.fetch(request.body("{}".to_owned()).unwrap()).await;
        assert_eq!(fetched.status, 403);
    }
    assert_eq!(server.echo.calls(), 0);
    let request = Request::options("/v1/echo")
        .header("origin", "http://gateway.test")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "content-type");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!(fetched.status, 204);
    assert_eq!(fetched.headers["access-control-allow-origin"], "http://gateway.test");
    assert_eq!(fetched.headers["access-control-allow-headers"], "content-type");
}
