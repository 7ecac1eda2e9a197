use http::HeaderName;

use super::NamePattern;

/// The rules by which headers become metadata, and metadata become headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetadataPolicy {
    /// Request headers that REST passes on, beside those that it always does: `authorization`,
    /// `traceparent`, `tracestate`, `baggage`, `x-request-id`, `accept-language`, and `user-agent`
    /// as `grpcgateway-user-agent`. Default: none.
    pub allow: Vec<NamePattern>,
    /// Names that are passed on in no dialect and no direction. Default: none.
    pub deny: Vec<NamePattern>,
    /// Response metadata that REST passes on, beside `x-request-id` and `traceresponse`. Default:
    /// none.
    pub expose: Vec<NamePattern>,
    /// The beginning of the names of response metadata in REST, such as `x-meta-`. Default: none.
    pub response_prefix: Option<Box<str>>,
    /// `true` to have the rules of grpc-gateway in REST as well. Default: `false`.
    ///
    /// `Grpc-Metadata-Name` then becomes `name`, so that every client chooses the metadata that no
    /// other rule forbids; common headers get the prefix `grpcgateway-`; and all response metadata
    /// are headers with the prefix `Grpc-Metadata-`, or `Grpc-Trailer-` for trailers.
    pub grpc_gateway_headers: bool,
}

/// The meaning that the headers of a dialect have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Convention {
    /// Headers are those of HTTP, and some are metadata: JSON over HTTP and over WebSockets. A
    /// browser adds headers by itself, and so does every proxy.
    Rest,
    /// Headers are metadata: gRPC, gRPC-Web, Connect, and the other protocols of calls.
    Rpc,
}

impl MetadataPolicy {
    /// Reports whether a name is denied.
    pub fn denies(&self, name: &HeaderName) -> bool {
        matches_any(&self.deny, name)
    }
}

pub(super) fn matches_any(patterns: &[NamePattern], name: &HeaderName) -> bool {
    patterns.iter().any(|pattern| pattern.matches(name))
}
