use bytes::{Bytes, BytesMut};
use http::Request;
use serde_json::json;
use sockeye_gateway::dialect::framing::{EndStream, Envelope, EnvelopeDecoder, EnvelopeFormat};
use sockeye_gateway_testing::Server;

use crate::support::{Fetched, ServedGateway, wait_for};

const RPC: &str = "/sockeye.gateway.testing.Echo";

fn request(method: &str, content_type: &str) -> http::request::Builder {
    Request::post(format!("{RPC}/{method}"))
        .header("content-type", content_type)
        .header("connect-protocol-version", "1")
}

async fn unary(gateway: &ServedGateway, method: &str, json: &str) -> Fetched {
    gateway.fetch(request(method, "application/json").body(json.to_owned()).unwrap()).await
}

#[tokio::test]
async fn a_unary_call_is_one_body_in_each_direction() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let fetched = unary(&gateway, "Unary", r#"{"text":"x"}"#).await;
    assert_eq!((fetched.status, fetched.text()), (200, r#"{"text":"x"}"#));
    assert_eq!(fetched.headers["content-type"], "application/json");
    // Field 1, two bytes.
    let proto = request("Unary", "application/proto").body("\x0a\x02ab".to_owned()).unwrap();
    let fetched = gateway.fetch(proto).await;
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, &b"\x0a\x02ab"[..]));
    assert_eq!(fetched.headers["content-type"], "application/proto");
}

#[tokio::test]
async fn an_error_is_json_with_its_details() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let body = r#"{"code":5,"message":"none","detail":{"text":"why"}}"#;
    let fetched = unary(&gateway, "FailUnary", body).await;
    assert_eq!(fetched.status, 404);
    let error = fetched.json();
    assert_eq!((&error["code"], &error["message"]), (&json!("not_found"), &json!("none")));
    let detail = &error["details"][0];
    assert_eq!(detail["type"], "sockeye.gateway.testing.EchoMessage");
    assert_eq!((&detail["value"], &detail["debug"]), (&json!("CgN3aHk"), &json!({"text": "why"})));
    assert_eq!(fetched.headers["x-failure"], "yes");
    let fetched = unary(&gateway, "Unary", "{").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (400, &json!("invalid_argument")));
}

#[tokio::test]
async fn a_get_calls_methods_without_side_effects_only() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let get =
        async |method: &str, query: &str| gateway.get(&format!("{RPC}/{method}?{query}")).await;
    let fetched =
        get("Lookup", "connect=v1&encoding=json&message=%7B%22text%22%3A%22x%22%7D").await;
    assert_eq!((fetched.status, fetched.text()), (200, r#"{"text":"x"}"#));
    let fetched = get("Lookup", "message=CgJhYg&base64=1&encoding=proto&other=1").await;
    assert_eq!((fetched.status, fetched.body.as_slice()), (200, &b"\x0a\x02ab"[..]));
    let fetched = get("Unary", "encoding=json&message=%7B%7D").await;
    assert_eq!((fetched.status, &fetched.headers["allow"]), (405, &"POST".parse().unwrap()));
    assert_eq!(get("Lookup", "encoding=xml&message=").await.status, 415);
    let fetched = get("Lookup", "encoding=json&message=&compression=zstd").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (501, &json!("unimplemented")));
    assert_eq!(get("Lookup", "encoding=json&message=&connect=v2").await.status, 400);
}

#[tokio::test]
async fn streams_are_envelopes_that_end_with_the_status() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let (messages, end) = stream(&gateway, "Repeat", &[r#"{"text":"x","number":"2"}"#]).await;
    assert_eq!(messages, [r#"{"text":"x"}"#, r#"{"text":"x","number":"1"}"#]);
    assert_eq!(end.error, None);
    let (messages, end) =
        stream(&gateway, "Collect", &[r#"{"text":"a"}"#, r#"{"text":"b"}"#]).await;
    assert_eq!((messages.len(), end.error), (1, None));
    let (messages, end) =
        stream(&gateway, "Fail", &[r#"{"code":9,"message":"late","number":1}"#]).await;
    assert_eq!(messages.len(), 1);
    let error = end.error.unwrap();
    assert_eq!(
        (error.code.connect_name(), error.message.as_str()),
        ("failed_precondition", "late")
    );
    assert_eq!(end.metadata["x-failure"], "yes");
}

async fn stream(
    gateway: &ServedGateway,
    method: &str,
    messages: &[&str],
) -> (Vec<String>, EndStream) {
    let mut body = BytesMut::new();
    for message in messages {
        Envelope::encode(0, message.as_bytes(), &mut body).unwrap();
    }
    let body = String::from_utf8(body.to_vec()).unwrap();
    let fetched =
        gateway.fetch(request(method, "application/connect+json").body(body).unwrap()).await;
    assert_eq!(fetched.status, 200);
    assert_eq!(fetched.headers["content-type"], "application/connect+json");
    let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::Connect, 1 << 20);
    decoder.push(Bytes::from(fetched.body));
    let mut replies = Vec::new();
    while let Some(envelope) = decoder.next_envelope().unwrap() {
        if envelope.is_end() {
            return (replies, EndStream::from_json(&envelope.payload).unwrap());
        }
        replies.push(String::from_utf8(envelope.payload.to_vec()).unwrap());
    }
    panic!("the stream has no end: {replies:?}");
}

#[tokio::test]
async fn unsupported_requests_are_told_apart() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let send = async |method: &str, content_type: &str, name: &str, value: &str| {
        let request = request(method, content_type).header(name, value);
        gateway.fetch(request.body("{}".to_owned()).unwrap()).await
    };
    assert_eq!(send("Unary", "application/xml", "x", "").await.status, 415);
    assert_eq!(send("Unary", "application/connect+json", "x", "").await.status, 415);
    assert_eq!(send("Repeat", "application/proto", "x", "").await.status, 415);
    let fetched = send("Unary", "application/json", "content-encoding", "br").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (501, &json!("unimplemented")));
    let fetched = send("Unary", "application/json", "connect-timeout-ms", "soon").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (400, &json!("invalid_argument")));
}

#[tokio::test]
async fn a_timeout_in_milliseconds_is_enforced() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let request = request("Wait", "application/json").header("connect-timeout-ms", "100");
    let fetched = gateway.fetch(request.body(r#"{"number":60000}"#.to_owned()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (504, &json!("deadline_exceeded")));
    wait_for(server.echo.in_progress(), 0).await;
}
