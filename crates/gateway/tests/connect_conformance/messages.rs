//! The messages of the suite, as far as the runner and its service read them. Their definitions and
//! documentation are in `tests/connect-conformance/proto`.

use prost::Message;

/// The number of `CODEC_JSON`.
pub(crate) const CODEC_JSON: i32 = 2;

/// `google.protobuf.Any`.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Any {
    #[prost(string, tag = "1")]
    pub(crate) type_url: String,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

impl Any {
    /// Creates a message of the suite's package.
    pub(crate) fn of(name: &str, value: Vec<u8>) -> Self {
        Self { type_url: format!("type.googleapis.com/{PACKAGE}.{name}"), value }
    }

    /// Returns the full name of the type.
    pub(crate) fn type_name(&self) -> &str {
        self.type_url.rsplit('/').next().unwrap_or_default()
    }
}

/// The package of the suite.
pub(crate) const PACKAGE: &str = "connectrpc.conformance.v1";

/// The name of the details of errors that describe the request.
pub(crate) const REQUEST_INFO: &str = "ConformancePayload.RequestInfo";

/// `google.rpc.Status`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RpcStatus {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, tag = "2")]
    pub(crate) message: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TestSuite {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) test_cases: Vec<TestCase>,
    #[prost(int32, repeated, tag = "4")]
    pub(crate) relevant_protocols: Vec<i32>,
    #[prost(int32, repeated, tag = "5")]
    pub(crate) relevant_http_versions: Vec<i32>,
    #[prost(int32, repeated, tag = "6")]
    pub(crate) relevant_codecs: Vec<i32>,
    #[prost(int32, repeated, tag = "7")]
    pub(crate) relevant_compressions: Vec<i32>,
    #[prost(bool, tag = "9")]
    pub(crate) relies_on_tls: bool,
    #[prost(bool, tag = "12")]
    pub(crate) relies_on_message_receive_limit: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct TestCase {
    #[prost(message, optional, tag = "1")]
    pub(crate) request: Option<CallRequest>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) expand_requests: Vec<ExpandedSize>,
    #[prost(message, optional, tag = "3")]
    pub(crate) expected_response: Option<CallResponse>,
    #[prost(int32, repeated, tag = "4")]
    pub(crate) other_allowed_error_codes: Vec<i32>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct ExpandedSize {
    #[prost(int32, optional, tag = "1")]
    pub(crate) size_relative_to_limit: Option<i32>,
}

/// `ClientCompatRequest`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CallRequest {
    #[prost(string, tag = "1")]
    pub(crate) test_name: String,
    #[prost(string, optional, tag = "12")]
    pub(crate) method: Option<String>,
    #[prost(enumeration = "StreamType", tag = "13")]
    pub(crate) stream_type: i32,
    #[prost(bool, tag = "14")]
    pub(crate) use_get_http_method: bool,
    #[prost(message, repeated, tag = "15")]
    pub(crate) request_headers: Vec<Header>,
    #[prost(message, repeated, tag = "16")]
    pub(crate) request_messages: Vec<Any>,
    #[prost(uint32, optional, tag = "17")]
    pub(crate) timeout_ms: Option<u32>,
    #[prost(uint32, tag = "18")]
    pub(crate) request_delay_ms: u32,
    #[prost(message, optional, tag = "20")]
    pub(crate) raw_request: Option<RawRequest>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, prost::Enumeration)]
#[repr(i32)]
pub(crate) enum StreamType {
    Unspecified = 0,
    Unary = 1,
    ClientStream = 2,
    ServerStream = 3,
    HalfDuplex = 4,
    FullDuplex = 5,
}

/// `ClientResponseResult`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct CallResponse {
    #[prost(message, repeated, tag = "1")]
    pub(crate) response_headers: Vec<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) payloads: Vec<Payload>,
    #[prost(message, optional, tag = "3")]
    pub(crate) error: Option<Error>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) response_trailers: Vec<Header>,
    #[prost(int32, optional, tag = "6")]
    pub(crate) http_status_code: Option<i32>,
    #[prost(string, repeated, tag = "7")]
    pub(crate) feedback: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Header {
    #[prost(string, tag = "1")]
    pub(crate) name: String,
    #[prost(string, repeated, tag = "2")]
    pub(crate) value: Vec<String>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Error {
    #[prost(int32, tag = "1")]
    pub(crate) code: i32,
    #[prost(string, optional, tag = "2")]
    pub(crate) message: Option<String>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) details: Vec<Any>,
}

/// `ConformancePayload`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Payload {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) data: Vec<u8>,
    #[prost(message, optional, tag = "2")]
    pub(crate) request_info: Option<RequestInfo>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct RequestInfo {
    #[prost(message, repeated, tag = "1")]
    pub(crate) request_headers: Vec<Header>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) timeout_ms: Option<i64>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) requests: Vec<Any>,
}

/// The response of every method.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Response {
    #[prost(message, optional, tag = "1")]
    pub(crate) payload: Option<Payload>,
}

/// The request of `Unary`, `IdempotentUnary` and `ClientStream`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct UnaryRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) response_definition: Option<UnaryDefinition>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) request_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ServerStreamRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) response_definition: Option<StreamDefinition>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) request_data: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct BidiStreamRequest {
    #[prost(message, optional, tag = "1")]
    pub(crate) response_definition: Option<StreamDefinition>,
    #[prost(bool, tag = "2")]
    pub(crate) full_duplex: bool,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) request_data: Vec<u8>,
}

/// `UnaryResponseDefinition`. Of data and error there is at most one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct UnaryDefinition {
    #[prost(message, repeated, tag = "1")]
    pub(crate) response_headers: Vec<Header>,
    #[prost(bytes = "vec", optional, tag = "2")]
    pub(crate) response_data: Option<Vec<u8>>,
    #[prost(message, optional, tag = "3")]
    pub(crate) error: Option<Error>,
    #[prost(message, repeated, tag = "4")]
    pub(crate) response_trailers: Vec<Header>,
    #[prost(uint32, tag = "6")]
    pub(crate) response_delay_ms: u32,
}

/// `StreamResponseDefinition`.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct StreamDefinition {
    #[prost(message, repeated, tag = "1")]
    pub(crate) response_headers: Vec<Header>,
    #[prost(bytes = "vec", repeated, tag = "2")]
    pub(crate) response_data: Vec<Vec<u8>>,
    #[prost(uint32, tag = "3")]
    pub(crate) response_delay_ms: u32,
    #[prost(message, optional, tag = "4")]
    pub(crate) error: Option<Error>,
    #[prost(message, repeated, tag = "5")]
    pub(crate) response_trailers: Vec<Header>,
}

/// `RawHTTPRequest`, without queries: no case has one.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct RawRequest {
    #[prost(string, tag = "1")]
    pub(crate) verb: String,
    #[prost(string, tag = "2")]
    pub(crate) uri: String,
    #[prost(message, repeated, tag = "3")]
    pub(crate) headers: Vec<Header>,
    #[prost(message, optional, tag = "6")]
    pub(crate) unary: Option<Contents>,
    #[prost(message, optional, tag = "7")]
    pub(crate) stream: Option<StreamContents>,
}

/// `MessageContents`. The compression is not read: a request with one that the server does not know
/// fails before its body is.
#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct Contents {
    #[prost(bytes = "vec", optional, tag = "1")]
    pub(crate) binary: Option<Vec<u8>>,
    #[prost(string, optional, tag = "2")]
    pub(crate) text: Option<String>,
    #[prost(message, optional, tag = "3")]
    pub(crate) binary_message: Option<Any>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StreamContents {
    #[prost(message, repeated, tag = "1")]
    pub(crate) items: Vec<StreamItem>,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(crate) struct StreamItem {
    #[prost(uint32, tag = "1")]
    pub(crate) flags: u32,
    #[prost(uint32, optional, tag = "2")]
    pub(crate) length: Option<u32>,
    #[prost(message, optional, tag = "3")]
    pub(crate) payload: Option<Contents>,
}

impl Contents {
    /// Returns the bytes.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let Self { binary, text, binary_message } = self;
        let text = text.as_ref().map(|text| text.clone().into_bytes());
        let message = binary_message.as_ref().map(|message| message.value.clone());
        binary.clone().or(text).or(message).unwrap_or_default()
    }
}
