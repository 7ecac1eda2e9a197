//! Connect: a message in each direction as bodies of HTTP, or streams of envelopes.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hyper::body::Incoming;
use sockeye::http::header::CONTENT_TYPE;
use sockeye::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use sockeye_gateway::deadline::TimeoutForm;
use sockeye_gateway::descriptor::Idempotency;
use sockeye_gateway::dialect::framing::{EndStream, EnvelopeFormat};
use sockeye_gateway::status::ConnectError;
use tonic::body::Body;

use crate::client::Failure;
use crate::commands::call::envelopes::{EnvelopeReader, envelope};
use crate::commands::call::exchange::{
    Exchange, has_type, other_protocol, read_whole, whole_body, with_body,
};
use crate::commands::call::output::Output;
use crate::commands::call::requests::Requests;
use crate::commands::call::rpc_error::RpcError;

const VERSION: HeaderName = HeaderName::from_static("connect-protocol-version");

/// Makes a call, by GET if `is_get` is set.
pub(in super::super) async fn call(
    exchange: Exchange<'_>,
    is_get: bool,
    requests: Requests<'_>,
    output: Output<'_>,
) -> Result<(), Failure> {
    let is_safe = exchange.method.descriptor.idempotency == Idempotency::NoSideEffects;
    if is_get && (exchange.method.is_stream() || !is_safe) {
        return Err(Failure::usage(format!(
            "--get needs a method without streams and with idempotency_level = NO_SIDE_EFFECTS, \
             which {} has not",
            exchange.method.name()
        )));
    }
    if exchange.method.is_stream() {
        call_stream(exchange, requests, output).await
    } else {
        call_unary(exchange, is_get, requests, output).await
    }
}

async fn call_unary(
    exchange: Exchange<'_>,
    is_get: bool,
    mut requests: Requests<'_>,
    mut output: Output<'_>,
) -> Result<(), Failure> {
    let message = requests.one().await?;
    let mut connection = exchange.connector.connect(exchange.versions()).await?;
    let request = if is_get {
        let message = URL_SAFE_NO_PAD.encode(&message);
        let query = format!("connect=v1&encoding=proto&base64=1&message={message}");
        let path = format!("{}?{query}", exchange.path());
        exchange.request(Method::GET, &path, TimeoutForm::Connect, Body::empty())?
    } else {
        let (path, body) = (exchange.path(), whole_body(message));
        let mut request = exchange.request(Method::POST, &path, TimeoutForm::Connect, body)?;
        let content_type = HeaderValue::from_static("application/proto");
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        request.headers_mut().insert(VERSION, HeaderValue::from_static("1"));
        request
    };
    let (head, body) = connection.send(request).await?.into_parts();
    let (headers, trailers) = split_trailers(&head.headers);
    if head.status == StatusCode::OK && has_type(&head, "application/proto") {
        output.headers(&headers);
        output.wire(&read_whole(body).await?)?;
        return output.finish(None, &trailers);
    }
    if head.status == StatusCode::OK || !has_type(&head, "application/json") {
        return Err(other_protocol(&head, "Connect"));
    }
    output.headers(&headers);
    let error = ConnectError::from_response(head.status, &read_whole(body).await?);
    output.finish(Some(RpcError::of_connect(exchange.method.schema, &error)), &trailers)
}

/// Returns the headers of a unary response, and the trailers among them, which have a prefix.
fn split_trailers(all: &HeaderMap) -> (HeaderMap, HeaderMap) {
    let (mut headers, mut trailers) = (HeaderMap::new(), HeaderMap::new());
    for (name, value) in all {
        match name.as_str().strip_prefix("trailer-").map(str::parse::<HeaderName>) {
            Some(Ok(name)) => trailers.append(name, value.clone()),
            _ => headers.append(name.clone(), value.clone()),
        };
    }
    (headers, trailers)
}

async fn call_stream(
    exchange: Exchange<'_>,
    requests: Requests<'_>,
    mut output: Output<'_>,
) -> Result<(), Failure> {
    let mut connection = exchange.connector.connect(exchange.versions()).await?;
    let receive = async |body: Body| {
        let path = exchange.path();
        let mut request = exchange.request(Method::POST, &path, TimeoutForm::Connect, body)?;
        let content_type = HeaderValue::from_static("application/connect+proto");
        request.headers_mut().insert(CONTENT_TYPE, content_type);
        request.headers_mut().insert(VERSION, HeaderValue::from_static("1"));
        let response = connection.send(request).await?;
        read_stream(&exchange, response, &mut output).await
    };
    with_body(requests, envelope, receive).await
}

async fn read_stream(
    exchange: &Exchange<'_>,
    response: Response<Incoming>,
    output: &mut Output<'_>,
) -> Result<(), Failure> {
    let (head, body) = response.into_parts();
    if head.status != StatusCode::OK || !has_type(&head, "application/connect+proto") {
        return Err(other_protocol(&head, "a stream of Connect"));
    }
    output.headers(&head.headers);
    let mut reader = EnvelopeReader::new(body, EnvelopeFormat::Connect);
    let mut end = None;
    while let Some(envelope) = reader.next().await? {
        if envelope.is_end() {
            end = EndStream::from_json(&envelope.payload);
        } else {
            output.wire(&envelope.payload)?;
        }
    }
    let Some(EndStream { error, metadata }) = end else {
        return Err(Failure::protocol("the server ended the call without a valid end of stream"));
    };
    let error = error.map(|error| RpcError::of_connect(exchange.method.schema, &error));
    output.finish(error, &metadata)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_of_a_unary_response_have_a_prefix() {
        let mut all = HeaderMap::new();
        all.append("x-a", HeaderValue::from_static("1"));
        all.append("trailer-x-a", HeaderValue::from_static("2"));
        all.append("trailer-x-a", HeaderValue::from_static("3"));
        let (headers, trailers) = split_trailers(&all);
        assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1"]);
        assert_eq!(trailers.get_all("x-a").iter().collect::<Vec<_>>(), ["2", "3"]);
        assert_eq!((headers.len(), trailers.len()), (1, 2));
    }
}
