use std::io::Read as _;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use flate2::Compression;
use flate2::read::GzEncoder;
use http::Request;
use serde_json::json;
use sockeye_gateway::dialect::framing::EndStream;
use sockeye_gateway_testing::Server;

use crate::support::{Fetched, ServedGateway};

const RPC: &str = "/sockeye.gateway.testing.Echo";

async fn serve() -> (Server, ServedGateway) {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    (server, gateway)
}

async fn post(
    gateway: &ServedGateway,
    method: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Fetched {
    let mut request = Request::post(format!("{RPC}/{method}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    gateway.fetch(request.body(body.to_owned()).unwrap()).await
}

/// Returns the end of a stream of one envelope.
fn only_end(fetched: &Fetched) -> EndStream {
    assert_eq!((fetched.status, fetched.body[0]), (200, 2), "{fetched:?}");
    EndStream::from_json(&fetched.body[5..]).unwrap()
}

#[tokio::test]
async fn a_message_by_get_is_compressed_before_it_is_base64() {
    let (_server, gateway) = serve().await;
    let json = br#"{"text":"compressed"}"#;
    let mut gzip = Vec::new();
    GzEncoder::new(&json[..], Compression::fast()).read_to_end(&mut gzip).unwrap();
    for (compression, message) in [("gzip", &gzip[..]), ("identity", &json[..])] {
        let message = URL_SAFE_NO_PAD.encode(message);
        let target = format!(
            "{RPC}/Lookup?connect=v1&base64=1&compression={compression}&encoding=json&message={message}"
        );
        let fetched = gateway.get(&target).await;
        assert_eq!((fetched.status, fetched.text()), (200, r#"{"text":"compressed"}"#));
    }
    // A message without bytes is not one that was compressed.
    let fetched =
        gateway.get(&format!("{RPC}/Lookup?compression=gzip&encoding=proto&message=")).await;
    assert_eq!((fetched.status, fetched.body.len()), (200, 0));
}

#[tokio::test]
async fn a_body_without_bytes_is_not_decompressed() {
    let (_server, gateway) = serve().await;
    let gzip = ("content-encoding", "gzip");
    let fetched = post(&gateway, "Unary", &[("content-type", "application/proto"), gzip], "").await;
    assert_eq!((fetched.status, fetched.body.len()), (200, 0));
    let fetched =
        post(&gateway, "Unary", &[("content-type", "application/proto"), gzip], "x").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (400, &json!("invalid_argument")));
}

#[tokio::test]
async fn errors_are_json_whatever_the_codec() {
    let (_server, gateway) = serve().await;
    // `Failure` with the code 5.
    let fetched =
        post(&gateway, "FailUnary", &[("content-type", "application/proto")], "\x08\x05").await;
    assert_eq!(fetched.headers["content-type"], "application/json");
    assert_eq!((fetched.status, &fetched.json()["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn errors_of_http_have_the_form_of_connect() {
    let (_server, gateway) = serve().await;
    let version = ("connect-protocol-version", "1");
    let json = ("content-type", "application/json");
    for (method, headers, status, code) in [
        ("Unknown", &[json, version][..], 404, "unimplemented"),
        ("Unknown", &[("content-type", "application/proto")], 404, "unimplemented"),
        ("Unary", &[("content-type", "image/png")], 415, "unknown"),
        ("Unary", &[("content-type", "application/connect+proto")], 415, "unknown"),
    ] {
        let fetched = post(&gateway, method, headers, "").await;
        assert_eq!((fetched.status, &fetched.json()["code"]), (status, &json!(code)));
        assert_eq!(fetched.headers["content-type"], "application/json");
    }
    let request = Request::delete(format!("{RPC}/Unary")).header(version.0, version.1);
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (405, &json!("unknown")));
    assert_eq!(fetched.headers["allow"], "POST");
    let fetched = gateway.get(&format!("{RPC}/Unary?connect=v1&encoding=json&message=")).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (405, &json!("unknown")));
    // Others get the form of REST.
    assert_eq!(post(&gateway, "Unknown", &[json], "").await.json()["code"], 5);
}

#[tokio::test]
async fn a_method_of_one_message_takes_neither_none_nor_two() {
    let (server, gateway) = serve().await;
    for content_type in ["application/connect+proto", "application/connect+json"] {
        let message = if content_type.ends_with("json") { "\0\0\0\0\x02{}" } else { "\0\0\0\0\0" };
        for body in [String::new(), message.repeat(2)] {
            let fetched = post(&gateway, "Repeat", &[("content-type", content_type)], &body).await;
            let error = only_end(&fetched).error.unwrap();
            assert_eq!(error.code.connect_name(), "unimplemented");
        }
        let fetched = post(&gateway, "Repeat", &[("content-type", content_type)], message).await;
        assert_eq!(only_end(&fetched).error, None);
        // A stream of requests may be empty.
        let fetched = post(&gateway, "Chat", &[("content-type", content_type)], "").await;
        assert_eq!(only_end(&fetched).error, None);
    }
    drop(server);
}

#[tokio::test]
async fn flags_that_were_not_announced_are_errors() {
    let (_server, gateway) = serve().await;
    for method in ["Repeat", "Chat"] {
        for body in ["\x01\0\0\0\0", "\x02\0\0\0\x02{}"] {
            let headers = [("content-type", "application/connect+proto")];
            let fetched = post(&gateway, method, &headers, body).await;
            assert_eq!(only_end(&fetched).error.unwrap().code.connect_name(), "internal");
        }
    }
    let headers =
        [("content-type", "application/connect+proto"), ("connect-content-encoding", "br")];
    let error = only_end(&post(&gateway, "Chat", &headers, "").await).error.unwrap();
    assert_eq!(error.code.connect_name(), "unimplemented");
    assert!(error.message.contains("gzip"));
}

#[tokio::test]
async fn a_page_may_read_the_metadata_of_an_error_in_the_headers() {
    let (_server, gateway) = serve().await;
    let headers = [("content-type", "application/grpc-web"), ("origin", "http://gateway.test")];
    let fetched = post(&gateway, "FailUnary", &headers, "\0\0\0\0\x02\x08\x05").await;
    assert_eq!(fetched.headers["grpc-status"], "5");
    let exposed = fetched.headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.split(", ").any(|name| name == "x-failure"), "{exposed}");
}

#[tokio::test]
async fn the_format_of_grpc_web_reaches_the_upstream() {
    let (_server, gateway) = serve().await;
    let headers = [("content-type", "application/grpc-web+json")];
    let fetched = post(&gateway, "Unary", &headers, "\0\0\0\0\0").await;
    assert_eq!(fetched.headers["content-type"], "application/grpc-web+json");
}
