//! The messages of `grpc.reflection.v1.ServerReflection`, which are those of `v1alpha` as well, and
//! the parts of a file descriptor that reflection needs.

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ServerReflectionRequest {
    #[prost(oneof = "Query", tags = "3, 4, 5, 6, 7")]
    pub(super) query: Option<Query>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Query {
    #[prost(string, tag = "3")]
    FileByFilename(String),
    #[prost(string, tag = "4")]
    FileContainingSymbol(String),
    #[prost(message, tag = "5")]
    FileContainingExtension(ExtensionRequest),
    #[prost(string, tag = "6")]
    ExtensionNumbersOfType(String),
    /// The value has no meaning.
    #[prost(string, tag = "7")]
    ListServices(String),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ExtensionRequest {
    #[prost(string, tag = "1")]
    pub(super) containing_type: String,
    #[prost(int32, tag = "2")]
    pub(super) number: i32,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ServerReflectionResponse {
    /// The encoded request.
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(super) original_request: Option<bytes::Bytes>,
    #[prost(oneof = "Answer", tags = "4, 5, 6, 7")]
    pub(super) answer: Option<Answer>,
}

#[derive(Clone, PartialEq, Eq, prost::Oneof)]
pub(super) enum Answer {
    #[prost(message, tag = "4")]
    Files(FileDescriptorResponse),
    #[prost(message, tag = "5")]
    ExtensionNumbers(ExtensionNumberResponse),
    #[prost(message, tag = "6")]
    Services(ListServiceResponse),
    #[prost(message, tag = "7")]
    Error(ErrorResponse),
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct FileDescriptorResponse {
    /// Encoded `FileDescriptorProto`s.
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) files: Vec<bytes::Bytes>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ExtensionNumberResponse {
    #[prost(string, tag = "1")]
    pub(super) base_type_name: String,
    #[prost(int32, repeated, tag = "2")]
    pub(super) numbers: Vec<i32>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ListServiceResponse {
    #[prost(message, repeated, tag = "1")]
    pub(super) services: Vec<ServiceResponse>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ServiceResponse {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ErrorResponse {
    #[prost(int32, tag = "1")]
    pub(super) code: i32,
    #[prost(string, tag = "2")]
    pub(super) message: String,
}

/// The fields of a `FileDescriptorProto` that say what it needs and offers.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct FileHead {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) package: String,
    #[prost(string, repeated, tag = "3")]
    pub(super) dependencies: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    pub(super) services: Vec<ServiceHead>,
}

#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct ServiceHead {
    #[prost(string, tag = "1")]
    pub(super) name: String,
}

/// A `FileDescriptorSet`, with its files encoded.
#[derive(Clone, PartialEq, Eq, prost::Message)]
pub(super) struct FileDescriptorSet {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    pub(super) files: Vec<bytes::Bytes>,
}
