use http::Request;
use serde_json::{Value, json};

use crate::sockets::{client, connect, receive};
use crate::support::ServedGateway;
use crate::support::raw_upstream::{RawUpstream, begin, end, framed, read_messages};

/// Starts a server that returns the request of each call.
async fn echo() -> (RawUpstream, ServedGateway) {
    let server = RawUpstream::start(|request, mut response| async move {
        let messages = read_messages(&mut request.into_body()).await;
        let mut stream = begin(&mut response);
        let _ = stream.send_data(framed(&messages[0]), false);
        end(&mut stream, 0);
    })
    .await;
    let gateway = ServedGateway::start(server.builder("bodies.proto").build()).await;
    (server, gateway)
}

async fn send(gateway: &ServedGateway, method: &str, path: &str, body: &str) -> (u16, Value) {
    let request = Request::builder().method(method).uri(path);
    let request = request.header("content-type", "application/json");
    let fetched = gateway.fetch(request.body(body.to_owned()).unwrap()).await;
    (fetched.status, fetched.json())
}

#[tokio::test]
async fn lists_scalars_and_maps_are_bodies() {
    let (_server, gateway) = echo().await;
    for (path, body) in [
        ("/v1/tags", json!(["a", "b"])),
        ("/v1/tags", json!([])),
        ("/v1/count", json!(7)),
        ("/v1/labels", json!({"a": "1", "b": "2"})),
    ] {
        assert_eq!(send(&gateway, "POST", path, &body.to_string()).await, (200, body), "{path}");
    }
    let (status, parts) = send(&gateway, "POST", "/v1/parts", r#"[{"id":"1"},{"id":"2"}]"#).await;
    assert_eq!((status, &parts[1]["id"]), (200, &json!("2")));
    // No body is the default value.
    assert_eq!(send(&gateway, "POST", "/v1/tags", "").await, (200, json!([])));
    assert_eq!(send(&gateway, "POST", "/v1/count", "").await, (200, json!(0)));
    for (path, body) in [("/v1/tags", "{}"), ("/v1/count", "[1]"), ("/v1/labels", "[]")] {
        let (status, error) = send(&gateway, "POST", path, body).await;
        assert_eq!((status, &error["code"]), (400, &json!(3)), "{path} {body}");
    }
}

#[tokio::test]
async fn a_patch_has_the_mask_of_the_fields_that_its_body_gives() {
    let (_server, gateway) = echo().await;
    let patch = async |query: &str, body: &str| {
        let (status, reply) = send(&gateway, "PATCH", &format!("/v1/items/7{query}"), body).await;
        assert_eq!(status, 200, "{reply}");
        assert_eq!(reply["item"]["id"], "7");
        reply["updateMask"].clone()
    };
    assert_eq!(patch("", r#"{"title":"x","count":1}"#).await, "count,title");
    assert_eq!(patch("", r#"{"title":null}"#).await, "title");
    // Into messages, but not into lists and maps.
    let body = r#"{"parent":{"title":"x"},"tags":["a"],"labels":{"a":"b"},"parts":[{"id":"1"}]}"#;
    assert_eq!(patch("", body).await, "labels,parent.title,parts,tags");
    // A mask of the client's own is kept.
    assert_eq!(patch("?update_mask=title", r#"{"title":"x","count":1}"#).await, "title");
    assert_eq!(patch("", "").await, Value::Null);
}

#[tokio::test]
async fn other_methods_have_no_mask_of_their_own() {
    let (_server, gateway) = echo().await;
    let (status, reply) = send(&gateway, "PUT", "/v1/items/7", r#"{"title":"x"}"#).await;
    assert_eq!((status, &reply["updateMask"]), (200, &Value::Null), "{reply}");
}

#[tokio::test]
async fn a_patch_on_a_websocket_has_the_same_mask() {
    let (_server, gateway) = echo().await;
    for (method, query, mask) in [
        ("PATCH", "", json!("count,title")),
        ("PATCH", "&update_mask=title", json!("title")),
        ("PUT", "", Value::Null),
    ] {
        let path = format!("/v1/items/7?method={method}{query}");
        let mut socket = connect(client(&gateway, &path)).await;
        socket.send(r#"{"title":"x","count":1}"#).await.unwrap();
        let reply = receive(&mut socket).await;
        let reply: Value = serde_json::from_str(reply.as_text().unwrap()).unwrap();
        assert_eq!((&reply["item"]["id"], &reply["updateMask"]), (&json!("7"), &mask), "{path}");
    }
}
