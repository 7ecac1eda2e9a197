use std::io::Read as _;

use bytes::{Bytes, BytesMut};
use flate2::read::{GzDecoder, GzEncoder};
use http::Request;
use serde_json::json;
use sockeye_gateway::Gateway;
use sockeye_gateway::dialect::framing::{Envelope, EnvelopeDecoder, EnvelopeFormat};
use sockeye_gateway_testing::Server;

use crate::support::{Pieces, ServedGateway, upstream};

const RPC: &str = "/sockeye.gateway.testing.Echo";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzEncoder::new(bytes, flate2::Compression::fast()).read_to_end(&mut out).unwrap();
    out
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut out).unwrap();
    out
}

async fn serve() -> (Server, ServedGateway) {
    let server = Server::start().await;
    let gateway = Gateway::builder()
        .upstream(upstream(&server.url()))
        .compress_responses(true)
        .max_message_length(100_000);
    let gateway = ServedGateway::start(gateway.build()).await;
    (server, gateway)
}

#[tokio::test]
async fn a_long_response_is_compressed_for_clients_that_accept_it() {
    let (_server, gateway) = serve().await;
    let long = json!({"text": "x".repeat(5_000)}).to_string();
    for version in [None, Some("1")] {
        let send = async |body: &str, accept: &str| {
            let mut request = Request::post(format!("{RPC}/Unary"))
                .header("content-type", "application/json")
                .header("accept-encoding", accept);
            if let Some(version) = version {
                request = request.header("connect-protocol-version", version);
            }
            gateway.fetch(request.body(body.to_owned()).unwrap()).await
        };
        let fetched = send(&long, "br, gzip").await;
        assert_eq!(fetched.status, 200);
        assert_eq!(fetched.headers["content-encoding"], "gzip");
        assert_eq!(fetched.headers["vary"], "accept-encoding");
        assert!(fetched.body.len() < 500);
        let reply: serde_json::Value = serde_json::from_slice(&gunzip(&fetched.body)).unwrap();
        assert_eq!(reply["text"].as_str().unwrap().len(), 5_000);
        for (body, accept) in [(&*long, "br"), (r#"{"text":"short"}"#, "gzip")] {
            let fetched = send(body, accept).await;
            assert!(!fetched.headers.contains_key("content-encoding"), "{accept}");
            assert_eq!(fetched.headers["vary"], "accept-encoding");
            assert!(fetched.json()["text"].is_string());
        }
    }
}

#[tokio::test]
async fn nothing_is_compressed_by_default() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let request = Request::post("/v1/echo")
        .header("content-type", "application/json")
        .header("accept-encoding", "gzip");
    let long = json!({"text": "x".repeat(5_000)}).to_string();
    let fetched = gateway.fetch(request.body(long).unwrap()).await;
    assert!(!fetched.headers.contains_key("content-encoding"));
}

#[tokio::test]
async fn the_messages_of_a_connect_stream_are_compressed() {
    let (_server, gateway) = serve().await;
    let mut body = BytesMut::new();
    let message = json!({"text": "x".repeat(5_000), "number": 2}).to_string();
    // The request as well.
    Envelope::encode(Envelope::COMPRESSED, &gzip(message.as_bytes()), &mut body).unwrap();
    let request = Request::post(format!("{RPC}/Repeat"))
        .header("content-type", "application/connect+json")
        .header("connect-content-encoding", "gzip")
        .header("connect-accept-encoding", "gzip");
    let fetched = gateway.fetch(request.body(Pieces::new([body.freeze()])).unwrap()).await;
    assert_eq!(fetched.headers["connect-content-encoding"], "gzip", "{fetched:?}");
    let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::Connect, 1 << 20);
    decoder.push(Bytes::from(fetched.body));
    for number in 0..2 {
        let envelope = decoder.next_envelope().unwrap().unwrap();
        assert!(envelope.is_compressed());
        let reply: serde_json::Value = serde_json::from_slice(&gunzip(&envelope.payload)).unwrap();
        assert_eq!(reply["text"].as_str().unwrap().len(), 5_000, "{number}");
    }
    let end = decoder.next_envelope().unwrap().unwrap();
    assert_eq!((end.is_end(), end.is_compressed(), &end.payload[..]), (true, false, &b"{}"[..]));
}

#[tokio::test]
async fn compressed_requests_are_read_up_to_the_limit() {
    let (_server, gateway) = serve().await;
    let send = async |encoding: &str, body: Vec<u8>| {
        let request = Request::post("/v1/echo")
            .header("content-type", "application/json")
            .header("content-encoding", encoding);
        gateway.fetch(request.body(Pieces::new([body])).unwrap()).await
    };
    let fetched = send("gzip", gzip(br#"{"text":"zipped"}"#)).await;
    assert_eq!((fetched.status, &fetched.json()["text"]), (200, &json!("zipped")));
    // No bytes are no message, whatever the header says.
    assert_eq!(send("gzip", Vec::new()).await.status, 200);
    // A kilobyte that becomes a megabyte.
    let bomb = gzip(json!({"text": "x".repeat(1_000_000)}).to_string().as_bytes());
    assert!(bomb.len() < 10_000);
    assert_eq!(send("gzip", bomb).await.status, 429);
    assert_eq!(send("gzip", b"{}".to_vec()).await.status, 400);
    let fetched = send("br", b"{}".to_vec()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (501, &json!(12)));
    assert!(fetched.json()["message"].as_str().unwrap().contains("gzip"));
}

#[tokio::test]
async fn a_compressed_stream_of_json_is_refused() {
    let (_server, gateway) = serve().await;
    let request = Request::post("/v1/collect")
        .header("content-type", "application/json")
        .header("content-encoding", "gzip");
    let fetched = gateway.fetch(request.body(Pieces::new([gzip(b"{}{}")])).unwrap()).await;
    assert_eq!((fetched.status, &fetched.json()["code"]), (501, &json!(12)));
}
