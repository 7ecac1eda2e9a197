//! Spans of calls through the gateway, each made from the record at its end.

use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind, Status, Tracer as _};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use sockeye_gateway::status::Code;
use sockeye_gateway::{CallRecord, Dialect};

/// The header by which a client names its span (W3C Trace Context).
const TRACEPARENT: &str = "traceparent";

/// Exports the span of a call that has ended. The sampler decides by the client's span, if the
/// request names one.
pub(super) fn export(tracer: &SdkTracer, record: &CallRecord) {
    let parent = match &record.traceparent {
        Some(parent) => {
            TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(parent))
        }
        None => Context::new(),
    };
    let builder = SpanBuilder::from_name(name(record))
        .with_kind(SpanKind::Server)
        .with_start_time(record.started)
        .with_attributes(attributes(record));
    let mut span = tracer.build_with_context(builder, &parent);
    if is_failure(record.code) {
        span.set_status(Status::error(record.code.name()));
    }
    span.end_with_timestamp(record.started + record.duration);
}

/// The headers of a request that matter for its span.
struct Headers<'a>(&'a str);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        (key == TRACEPARENT).then_some(self.0)
    }

    fn keys(&self) -> Vec<&str> {
        vec![TRACEPARENT]
    }
}

/// Returns the method, as `package.Service/Method`, or the HTTP method: the number of different
/// names is bounded, whatever clients ask for.
fn name(record: &CallRecord) -> String {
    match &record.method {
        Some(method) => method.trim_start_matches('/').to_owned(),
        None => record.http_method.to_string(),
    }
}

/// Returns the attributes, named as the semantic conventions of OpenTelemetry name them.
fn attributes(record: &CallRecord) -> Vec<KeyValue> {
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let mut attributes = vec![
        KeyValue::new("http.request.method", record.http_method.to_string()),
        KeyValue::new("url.path", record.path.to_string()),
        KeyValue::new("http.request.body.size", number(record.request_bytes)),
        KeyValue::new("http.response.body.size", number(record.response_bytes)),
        KeyValue::new("sockeye.dialect", record.dialect.name()),
        KeyValue::new("sockeye.request_messages", number(record.request_messages)),
        KeyValue::new("sockeye.response_messages", number(record.response_messages)),
    ];
    if let Some((service, method)) =
        record.method.as_deref().and_then(|path| path.trim_start_matches('/').rsplit_once('/'))
    {
        attributes.push(KeyValue::new("rpc.system", "grpc"));
        attributes.push(KeyValue::new("rpc.service", service.to_owned()));
        attributes.push(KeyValue::new("rpc.method", method.to_owned()));
    }
    if record.dialect != Dialect::Http {
        attributes.push(KeyValue::new("rpc.grpc.status_code", i64::from(record.code as u8)));
    }
    if let Some(status) = record.http_status {
        attributes.push(KeyValue::new("http.response.status_code", i64::from(status.as_u16())));
    }
    if let Some(peer) = record.peer {
        attributes.push(KeyValue::new("client.address", peer.ip().to_string()));
        attributes.push(KeyValue::new("client.port", i64::from(peer.port())));
    }
    if let Some(id) = &record.request_id {
        attributes.push(KeyValue::new("http.request.header.x-request-id", id.to_string()));
    }
    attributes
}

/// Returns whether the server is to blame, so that its span is marked as failed. The conventions for
/// RPC name these codes.
fn is_failure(code: Code) -> bool {
    matches!(
        code,
        Code::Unknown
            | Code::DeadlineExceeded
            | Code::Unimplemented
            | Code::Internal
            | Code::Unavailable
            | Code::DataLoss
    )
}
