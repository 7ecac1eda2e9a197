//! gRPC over HTTP/2.

use sockeye::http::header::{CONTENT_TYPE, TE};
use sockeye::http::{HeaderMap, HeaderValue, Method, StatusCode};
use sockeye_gateway::deadline::TimeoutForm;
use sockeye_gateway::dialect::framing::EnvelopeFormat;
use sockeye_gateway::status::Status;
use tonic::body::Body;

use crate::client::Failure;
use crate::commands::call::connector::Versions;
use crate::commands::call::envelopes::{EnvelopeReader, envelope};
use crate::commands::call::exchange::{Exchange, has_type, other_protocol, with_body};
use crate::commands::call::output::Output;
use crate::commands::call::requests::Requests;
use crate::commands::call::rpc_error::RpcError;

/// Makes a call.
pub(in super::super) async fn call(
    exchange: Exchange<'_>,
    requests: Requests<'_>,
    mut output: Output<'_>,
) -> Result<(), Failure> {
    let mut connection = exchange.connector.connect(Versions::Http2).await?;
    let receive = async |body: Body| {
        let mut request =
            exchange.request(Method::POST, &exchange.path(), TimeoutForm::Grpc, body)?;
        let headers = request.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        headers.insert(TE, HeaderValue::from_static("trailers"));
        let (head, body) = connection.send(request).await?.into_parts();
        if head.status != StatusCode::OK || !has_type(&head, "application/grpc") {
            return Err(other_protocol(&head, "gRPC"));
        }
        output.headers(&head.headers);
        let mut reader = EnvelopeReader::new(body, EnvelopeFormat::Grpc);
        while let Some(envelope) = reader.next().await? {
            output.wire(&envelope.payload)?;
        }
        finish(&exchange, &output, &head.headers, reader.trailers())
    };
    with_body(requests, envelope, receive).await
}

/// Ends a call with the status in the trailers, or in the headers of a response without a body.
pub(super) fn finish(
    exchange: &Exchange<'_>,
    output: &Output<'_>,
    headers: &HeaderMap,
    trailers: Option<HeaderMap>,
) -> Result<(), Failure> {
    let status = Status::from_trailers(trailers.as_ref().unwrap_or(headers));
    let Some(status) = status else {
        return Err(Failure::protocol("the server ended the call without a status"));
    };
    let error = RpcError::of_status(exchange.method.schema, &status);
    output.finish(error, &trailers.unwrap_or_default())
}
