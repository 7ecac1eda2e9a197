//! gRPC-Web: gRPC's messages in the body, and the trailers as its last envelope.

use sockeye::bytes::Bytes;
use sockeye::http::header::{ACCEPT, CONTENT_TYPE};
use sockeye::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use sockeye_gateway::deadline::TimeoutForm;
use sockeye_gateway::dialect::framing::{EnvelopeFormat, decode_header_block, encode_text};
use tonic::body::Body;

use super::grpc;
use crate::client::Failure;
use crate::commands::call::envelopes::{EnvelopeReader, envelope};
use crate::commands::call::exchange::{Exchange, has_type, other_protocol, with_body};
use crate::commands::call::output::Output;
use crate::commands::call::requests::Requests;

/// Makes a call, in base64 if `is_text` is set.
pub(in super::super) async fn call(
    exchange: Exchange<'_>,
    is_text: bool,
    requests: Requests<'_>,
    mut output: Output<'_>,
) -> Result<(), Failure> {
    let content_type =
        if is_text { "application/grpc-web-text+proto" } else { "application/grpc-web+proto" };
    let mut connection = exchange.connector.connect(exchange.versions()).await?;
    let receive = async |body: Body| {
        let mut request =
            exchange.request(Method::POST, &exchange.path(), TimeoutForm::Grpc, body)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        headers.insert(ACCEPT, HeaderValue::from_static(content_type));
        headers.insert(HeaderName::from_static("x-grpc-web"), HeaderValue::from_static("1"));
        let (head, body) = connection.send(request).await?.into_parts();
        if head.status != StatusCode::OK || !has_type(&head, "application/grpc-web") {
            return Err(other_protocol(&head, "gRPC-Web"));
        }
        output.headers(&head.headers);
        let mut reader = EnvelopeReader::new(body, EnvelopeFormat::GrpcWeb);
        if has_type(&head, "application/grpc-web-text") {
            reader = reader.of_text();
        }
        let mut trailers = None;
        while let Some(envelope) = reader.next().await? {
            if envelope.is_end() {
                trailers = Some(read_trailers(&envelope.payload)?);
            } else {
                output.wire(&envelope.payload)?;
            }
        }
        grpc::finish(&exchange, &output, &head.headers, trailers)
    };
    let frame = |message: &[u8]| {
        let envelope = envelope(message)?;
        Ok(if is_text { encode_text(&envelope).into_bytes() } else { envelope })
    };
    with_body(requests, frame, receive).await
}

fn read_trailers(block: &Bytes) -> Result<HeaderMap, Failure> {
    decode_header_block(block).map_err(|error| {
        Failure::protocol(format!("the trailers of the response are malformed: {error}"))
    })
}
