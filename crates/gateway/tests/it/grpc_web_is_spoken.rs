use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use http::Request;
use prost::Message as _;
use sockeye_gateway::dialect::framing::{
    Envelope, EnvelopeDecoder, EnvelopeFormat, decode_header_block,
};
use sockeye_gateway_testing::Server;
use sockeye_gateway_testing::proto::{EchoMessage, Failure};

use crate::support::{Fetched, ServedGateway, message};

const RPC: &str = "/sockeye.gateway.testing.Echo";

fn framed(message: &impl prost::Message) -> Vec<u8> {
    let mut out = BytesMut::new();
    Envelope::encode(0, &message.encode_to_vec(), &mut out).unwrap();
    out.to_vec()
}

/// Sends a call. Requests are text, since the body of the tests' client is.
async fn call(
    gateway: &ServedGateway,
    method: &str,
    request: &impl prost::Message,
    accept: &str,
) -> Fetched {
    let body = STANDARD.encode(framed(request));
    let request = Request::post(format!("{RPC}/{method}"))
        .header("content-type", "application/grpc-web-text")
        .header("accept", accept);
    gateway.fetch(request.body(body).unwrap()).await
}

/// Returns the messages, and the trailers of the last frame.
fn decode(body: Vec<u8>) -> (Vec<EchoMessage>, http::HeaderMap) {
    let mut decoder = EnvelopeDecoder::new(EnvelopeFormat::GrpcWeb, 1 << 20);
    decoder.push(Bytes::from(body));
    let (mut messages, mut trailers) = (Vec::new(), None);
    while let Some(envelope) = decoder.next_envelope().unwrap() {
        if envelope.is_end() {
            trailers = Some(decode_header_block(&envelope.payload).unwrap());
        } else {
            messages.push(EchoMessage::decode(envelope.payload).unwrap());
        }
    }
    (messages, trailers.expect("a frame of trailers ends the body"))
}

#[tokio::test]
async fn messages_and_trailers_arrive_as_bytes_and_as_text() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let request = EchoMessage { number: 3, ..message("x") };
    let fetched = call(&gateway, "Repeat", &request, "application/grpc-web").await;
    assert_eq!(fetched.headers["content-type"], "application/grpc-web+proto");
    let (messages, trailers) = decode(fetched.body);
    assert_eq!(messages.len(), 3);
    assert_eq!(trailers["grpc-status"], "0");

    let fetched = call(&gateway, "Unary", &message("text"), "application/grpc-web-text").await;
    assert_eq!(fetched.headers["content-type"], "application/grpc-web-text+proto");
    // Each piece has its own padding.
    let mut bytes = Vec::new();
    for piece in fetched.text().split_inclusive('=') {
        for part in piece.split('=').filter(|part| !part.is_empty()) {
            let padding = "=".repeat((4 - part.len() % 4) % 4);
            bytes.extend(STANDARD.decode(format!("{part}{padding}")).unwrap());
        }
    }
    let (messages, trailers) = decode(bytes);
    assert_eq!(messages[0].text, "text");
    assert_eq!(trailers["grpc-status"], "0");
}

#[tokio::test]
async fn an_error_is_in_the_headers_or_in_the_last_frame() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let failure = Failure { code: 9, message: "no".to_owned(), ..Failure::default() };
    let fetched = call(&gateway, "FailUnary", &failure, "application/grpc-web").await;
    assert_eq!((fetched.status, &fetched.headers["grpc-status"]), (200, &"9".parse().unwrap()));
    assert!(fetched.body.is_empty());
    let failure = Failure { number: 1, ..failure };
    let fetched = call(&gateway, "Fail", &failure, "application/grpc-web").await;
    let (messages, trailers) = decode(fetched.body);
    assert_eq!(messages.len(), 1);
    assert_eq!(
        (&trailers["grpc-status"], &trailers["grpc-message"]),
        (&"9".parse().unwrap(), &"no".parse().unwrap())
    );
}

#[tokio::test]
async fn text_that_is_not_base64_is_refused() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let request =
        Request::post(format!("{RPC}/Unary")).header("content-type", "application/grpc-web-text");
    let fetched = gateway.fetch(request.body("!!!!".to_owned()).unwrap()).await;
    assert_eq!((fetched.status, &fetched.headers["grpc-status"]), (200, &"3".parse().unwrap()));
}

#[tokio::test]
async fn of_several_content_types_the_first_counts() {
    let server = Server::start().await;
    let gateway = ServedGateway::before(&server).await;
    let request = Request::post(format!("{RPC}/Unary"))
        .header("content-type", "application/grpc-web-text+proto, application/grpc")
        .header("accept", "application/grpc-web");
    let body = STANDARD.encode(framed(&message("x")));
    let fetched = gateway.fetch(request.body(body).unwrap()).await;
    assert_eq!(fetched.headers["content-type"], "application/grpc-web+proto");
    let (messages, _) = decode(fetched.body);
    assert_eq!(messages, [message("x")]);
}
