use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderValue, Request};
use serde_json::json;
use sockeye_gateway::auth::{AuthorizeFuture, Authorized, Authorizer, CallHead};
use sockeye_gateway::dialect::framing::{EndStream, Envelope, EnvelopeDecoder, EnvelopeFormat};
use sockeye_gateway::status::{Code, Status};
use sockeye_gateway::{Dialect, Gateway};
use sockeye_gateway_testing::Server;
use tokio::time::sleep;

use crate::support::{LIMIT, ServedGateway, client, message, upstream};

const RPC: &str = "/sockeye.gateway.testing.Echo";

type Seen = Arc<Mutex<Vec<(String, Dialect, Option<IpAddr>)>>>;

/// Lets the token `good` pass, as the user `ann`. The token `slow` takes too long.
struct Tokens {
    seen: Seen,
}

impl Authorizer for Tokens {
    fn authorize<'a>(&'a self, head: &'a CallHead<'a>) -> AuthorizeFuture<'a> {
        Box::pin(async move {
            let peer = head.peer.map(|peer| peer.ip());
            self.seen.lock().unwrap().push((head.method.to_owned(), head.dialect, peer));
            match head.headers.get("authorization").map(HeaderValue::as_bytes) {
                Some(b"Bearer good") => {
                    let mut metadata = HeaderMap::new();
                    metadata.insert("x-user", HeaderValue::from_static("ann"));
                    Ok(Authorized { metadata })
                }
                Some(b"Bearer slow") => {
                    sleep(LIMIT * 2).await;
                    Ok(Authorized::default())
                }
                Some(_) => Err(Status::new(Code::PermissionDenied, "not with this token")),
                None => Err(Status::new(Code::Unauthenticated, "a token is missing")),
            }
        })
    }
}

async fn serve() -> (Server, ServedGateway, Seen) {
    let server = Server::start().await;
    let seen = Seen::default();
    let tokens = Tokens { seen: Arc::clone(&seen) };
    let gateway = Gateway::builder().upstream(upstream(&server.url())).authorizer(tokens);
    let gateway = ServedGateway::start(gateway.build()).await;
    (server, gateway, seen)
}

#[tokio::test]
async fn every_dialect_asks_the_authorizer_and_answers_in_its_own_form() {
    let (server, gateway, seen) = serve().await;

    // JSON over HTTP, by a route and by the path of the method.
    let fetched = gateway.get("/v1/echo/x").await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (401, &json!(16)));
    assert_eq!(fetched.headers["www-authenticate"], "Bearer");
    assert_eq!(gateway.post(&format!("{RPC}/Unary"), "{}").await.status, 401);
    // Before the body is read.
    assert_eq!(gateway.post("/v1/echo", "{").await.status, 401);

    // Connect, unary and a stream.
    let connect = |content_type: &str, method: &str| {
        Request::post(format!("{RPC}/{method}"))
            .header("content-type", content_type)
            .header("connect-protocol-version", "1")
    };
    let request = connect("application/json", "Unary").body("{}".to_owned()).unwrap();
    let fetched = gateway.fetch(request).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (401, &json!("unauthenticated")));
    let mut body = BytesMut::new();
    Envelope::encode(0, b"{}", &mut body).unwrap();
    let body = String::from_utf8(body.to_vec()).unwrap();
    let request = connect("application/connect+json", "Repeat").body(body).unwrap();
    let fetched = gateway.fetch(request).await;
    let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::Connect, 1 << 20);
    decoder.push(Bytes::from(fetched.body));
    let end = decoder.next_envelope().unwrap().unwrap();
    let error = EndStream::from_json(&end.payload).unwrap().error.unwrap();
    assert_eq!((fetched.status, error.code), (200, Code::Unauthenticated));

    // gRPC-Web and gRPC.
    let request = Request::post(format!("{RPC}/Unary"))
        .header("content-type", "application/grpc-web-text")
        .body("AAAAAAA=".to_owned());
    let fetched = gateway.fetch(request.unwrap()).await;
    assert_eq!(fetched.headers["grpc-status"], "16");
    let status = client(&upstream(&gateway.url())).unary(message("")).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (tonic::Code::Unauthenticated, "a token is missing")
    );

    assert_eq!(server.echo.calls(), 0);
    let seen = seen.lock().unwrap();
    let dialects: Vec<_> = seen.iter().map(|(_, dialect, _)| *dialect).collect();
    assert_eq!(
        dialects,
        [
            Dialect::Json,
            Dialect::Json,
            Dialect::Json,
            Dialect::Connect,
            Dialect::Connect,
            Dialect::GrpcWeb,
            Dialect::Grpc
        ]
    );
    for (method, _, peer) in seen.iter() {
        assert!(method.starts_with(RPC), "{method}");
        assert!(peer.is_some_and(|peer| peer.is_loopback()));
    }
}

#[tokio::test]
async fn a_preflight_needs_no_token() {
    let (_server, gateway, seen) = serve().await;
    let request = Request::options("/v1/echo")
        .header("origin", "http://gateway.test")
        .header("access-control-request-method", "POST");
    assert_eq!(gateway.fetch(request.body(String::new()).unwrap()).await.status, 204);
    assert_eq!(seen.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn claims_replace_what_a_client_sends() {
    let (_server, gateway, _seen) = serve().await;
    let mut request = tonic::Request::new(message(""));
    request.metadata_mut().insert("x-user", "root".parse().unwrap());
    request.metadata_mut().insert("authorization", "Bearer good".parse().unwrap());
    let reply = client(&upstream(&gateway.url())).metadata(request).await.unwrap().into_inner();
    let users: Vec<_> = reply.entries.iter().filter(|entry| entry.name == "x-user").collect();
    assert_eq!(users.len(), 1);
    assert_eq!(users[0].value, "ann");

    let request = Request::get("/v1/metadata").header("authorization", "Bearer good");
    let reply = gateway.fetch(request.body(String::new()).unwrap()).await.json();
    let entry = json!({"name": "x-user", "value": "ann"});
    assert!(reply["entries"].as_array().unwrap().contains(&entry), "{reply}");
}

#[tokio::test]
async fn a_refusal_of_a_known_client_is_a_403() {
    let (_server, gateway, _seen) = serve().await;
    let request = Request::get("/v1/echo/x").header("authorization", "Bearer bad");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (403, &json!(7)));
    assert!(!fetched.headers.contains_key("www-authenticate"));
}

#[tokio::test]
async fn an_authorizer_that_takes_too_long_ends_at_the_deadline() {
    let (_server, gateway, _seen) = serve().await;
    let request = Request::get("/v1/echo/x")
        .header("authorization", "Bearer slow")
        .header("x-server-timeout", "0.1");
    let fetched = gateway.fetch(request.body(String::new()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (504, &json!(4)));
    gateway.idle().await;
}
