use std::convert::Infallible;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request, Response};
use http_body::Frame;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway::catalog::{Descriptors, Source};
use sockeye_gateway::dialect::framing::Envelope;
use sockeye_gateway::reflection::FileSet;
use sockeye_gateway_testing::DESCRIPTORS;
use tokio::net::TcpListener;
use tokio::time::timeout;
use tonic::Code;

use crate::frames::{FrameSender, Frames, frames};
use crate::support::raw_upstream::{RawUpstream, read_messages};
use crate::support::{LIMIT, ServedGateway, client, message, upstream};

const UNARY: &str = "/sockeye.gateway.testing.Echo/Unary";

/// The first field of `EchoMessage` with the text `x`.
const MESSAGE: &[u8] = b"\x0a\x01x";

/// Serves a gateway in front of a server whose responses have this head, and a body that `write`
/// sends.
async fn serve(head: fn() -> http::response::Builder, write: fn(FrameSender)) -> ServedGateway {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address: SocketAddr = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service_fn(move |_: Request<Incoming>| async move {
                let (sender, body) = frames();
                write(sender);
                Ok::<Response<Frames>, Infallible>(head().body(body).unwrap())
            });
            tokio::spawn(async move {
                let builder = auto::Builder::new(TokioExecutor::new());
                let _ = builder.serve_connection(TokioIo::new(stream), service).await;
            });
        }
    });
    let files = FileSet::from_descriptor_set(Bytes::from_static(DESCRIPTORS)).unwrap();
    let source = Source::new(upstream(&format!("http://{address}")));
    let source = source.descriptors(Descriptors::Fixed(files));
    ServedGateway::start(Gateway::builder().source(source).build()).await
}

fn grpc() -> http::response::Builder {
    Response::builder().header("content-type", "application/grpc")
}

fn data(sender: &FrameSender) {
    let mut frame = BytesMut::new();
    Envelope::encode(0, MESSAGE, &mut frame).unwrap();
    sender.try_send(Frame::data(frame.freeze())).unwrap();
}

fn trailers(sender: &FrameSender, status: &'static str) {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(status));
    sender.try_send(Frame::trailers(trailers)).unwrap();
}

async fn connect(gateway: &ServedGateway) -> (u16, serde_json::Value) {
    let request = Request::post(UNARY)
        .header("content-type", "application/json")
        .header("connect-protocol-version", "1");
    let fetched = gateway.fetch(request.body("{}".to_owned()).unwrap()).await;
    (fetched.status, fetched.json())
}

async fn web(gateway: &ServedGateway) -> (HeaderMap, Vec<u8>) {
    let request = Request::post(UNARY).header("content-type", "application/grpc-web");
    let fetched = gateway.fetch(request.body("\0\0\0\0\0".to_owned()).unwrap()).await;
    assert_eq!(fetched.status, 200);
    (fetched.headers, fetched.body)
}

async fn native(gateway: &ServedGateway) -> Result<String, Code> {
    let reply = timeout(LIMIT, client(&upstream(&gateway.url())).unary(message(""))).await.unwrap();
    reply.map(|reply| reply.into_inner().text).map_err(|status| status.code())
}

#[tokio::test]
async fn a_status_in_the_headers_does_not_hide_a_body() {
    let gateway = serve(
        || grpc().header("grpc-status", "0"),
        |sender| {
            data(&sender);
            trailers(&sender, "0");
        },
    )
    .await;
    assert_eq!(connect(&gateway).await, (200, json!({"text": "x"})));
    let (_, body) = web(&gateway).await;
    assert!(body.starts_with(b"\0\0\0\0\x03\x0a\x01x\x80"), "{body:?}");
}

#[tokio::test]
async fn trailers_win_over_a_status_in_the_headers() {
    let gateway =
        serve(|| grpc().header("grpc-status", "0"), |sender| trailers(&sender, "5")).await;
    let (status, error) = connect(&gateway).await;
    assert_eq!((status, &error["code"]), (404, &json!("not_found")));
}

#[tokio::test]
async fn a_status_in_the_headers_counts_without_trailers() {
    // The stream does not end with the headers, but without bytes.
    let gateway = serve(
        || grpc().header("grpc-status", "5").header("grpc-message", "gone"),
        |sender| sender.try_send(Frame::data(Bytes::new())).unwrap(),
    )
    .await;
    let (status, error) = connect(&gateway).await;
    assert_eq!((status, &error["message"]), (404, &json!("gone")));
    let (headers, body) = web(&gateway).await;
    assert_eq!((&headers["grpc-status"], body.len()), (&HeaderValue::from_static("5"), 0));
    assert_eq!(native(&gateway).await, Err(Code::NotFound));
}

#[tokio::test]
async fn a_status_of_grpc_beside_an_error_of_http_counts() {
    let gateway = serve(
        || grpc().status(503).header("grpc-status", "8").header("grpc-message", "slow down"),
        drop,
    )
    .await;
    let (status, error) = connect(&gateway).await;
    assert_eq!((status, &error["code"]), (429, &json!("resource_exhausted")));
    assert_eq!(error["message"], "slow down");
    assert_eq!(native(&gateway).await, Err(Code::ResourceExhausted));
}

#[tokio::test]
async fn an_error_after_the_message_of_a_unary_call_counts() {
    // As grpcio sends for `set_code` with a response.
    let gateway = serve(grpc, |sender| {
        data(&sender);
        trailers(&sender, "8");
    })
    .await;
    let (status, error) = connect(&gateway).await;
    assert_eq!((status, &error["code"]), (429, &json!("resource_exhausted")));
    let fetched = gateway.post("/v1/echo", "{}").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (429, &json!(8)));
    let (_, body) = web(&gateway).await;
    assert!(String::from_utf8_lossy(&body).contains("grpc-status: 8"), "{body:?}");
    assert_eq!(native(&gateway).await, Err(Code::ResourceExhausted));
}

#[tokio::test]
async fn a_status_that_grpc_does_not_have_is_unknown() {
    let gateway = serve(|| grpc().header("grpc-status", "1024"), drop).await;
    assert_eq!(connect(&gateway).await.1["code"], "unknown");
    let fetched = gateway.post("/v1/echo", "{}").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (500, &json!(2)));
    assert_eq!(native(&gateway).await, Err(Code::Unknown));
}

#[tokio::test]
async fn metadata_of_a_response_without_a_body_reaches_clients() {
    let head = || grpc().header("grpc-status", "16").header("x-why", "expired");
    let gateway = serve(head, drop).await;
    let request = Request::post(UNARY)
        .header("content-type", "application/json")
        .header("connect-protocol-version", "1");
    let fetched = gateway.fetch(request.body("{}".to_owned()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (401, &json!("unauthenticated")));
    assert_eq!(fetched.headers["x-why"], "expired");
    let (headers, body) = web(&gateway).await;
    assert_eq!(
        (&headers["grpc-status"], &headers["x-why"]),
        (&"16".parse().unwrap(), &"expired".parse().unwrap())
    );
    assert!(body.is_empty(), "{body:?}");
}

#[tokio::test]
async fn details_of_googles_types_are_decoded_though_the_upstream_does_not_define_them() {
    let text = |number: u8, bytes: &[u8]| {
        let length = u8::try_from(bytes.len()).unwrap();
        [&[number << 3 | 2, length], bytes].concat()
    };
    let violation = [text(1, b"title"), text(2, b"is empty")].concat();
    let url = b"type.googleapis.com/google.rpc.BadRequest";
    let detail = [text(1, url), text(2, &text(1, &violation))].concat();
    let status = [&b"\x08\x03"[..], &text(2, b"no title"), &text(3, &detail)].concat();
    let details = STANDARD_NO_PAD.encode(status);
    let server = RawUpstream::start(move |request, mut response| {
        let details = details.clone();
        async move {
            read_messages(&mut request.into_body()).await;
            let head = grpc()
                .header("grpc-status", "3")
                .header("grpc-message", "no title")
                .header("grpc-status-details-bin", details);
            let _ = response.send_response(head.body(()).unwrap(), true);
        }
    })
    .await;
    let gateway = ServedGateway::start(server.builder("echo.proto").build()).await;
    let fetched = gateway.post("/v1/echo", "{}").await.json();
    let detail = &fetched["details"][0];
    assert_eq!(detail["@type"], "type.googleapis.com/google.rpc.BadRequest");
    assert_eq!(detail["fieldViolations"][0]["field"], "title", "{fetched}");
}

#[tokio::test]
async fn a_page_of_a_proxy_has_the_code_of_its_status() {
    let page = |sender: FrameSender| {
        sender.try_send(Frame::data(Bytes::from_static(b"<html>"))).unwrap();
    };
    let gateway = serve(|| Response::builder().status(404), page).await;
    assert_eq!(connect(&gateway).await.1["code"], "unimplemented");
    let gateway = serve(|| Response::builder().status(429), page).await;
    assert_eq!(connect(&gateway).await.1["code"], "unavailable");
    let gateway = serve(|| Response::builder().status(502), page).await;
    assert_eq!(connect(&gateway).await.1["code"], "unavailable");
    assert_eq!(native(&gateway).await, Err(Code::Unavailable));
}

#[tokio::test]
async fn a_response_without_a_status_is_no_success() {
    let gateway = serve(grpc, |sender| data(&sender)).await;
    let (status, error) = connect(&gateway).await;
    assert_eq!((status, &error["code"]), (500, &json!("internal")));
    assert_eq!(native(&gateway).await, Err(Code::Internal));
    let (_, body) = web(&gateway).await;
    assert!(String::from_utf8_lossy(&body).contains("grpc-status: 13"), "{body:?}");
}

#[tokio::test]
async fn headers_of_a_stream_are_sent_before_its_first_message() {
    let gateway = serve(grpc, |sender| {
        // The call stays open.
        tokio::spawn(async move { sender.closed().await });
    })
    .await;
    let request = Request::get("/v1/stall").body(String::new()).unwrap();
    let response = gateway.send(request).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
}
