use std::error::Error;
use std::fmt;

use http::StatusCode;

use crate::route::binding::QueryError;
use crate::route::{Allowed, RouteError};

/// The reason why a request has no dialect.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DispatchError {
    /// The path has no route and is no RPC path, or only for other methods.
    Route(RouteError),
    /// The media type is none of those that an RPC path takes.
    UnsupportedMediaType,
    /// gRPC needs HTTP/2.
    HttpVersion,
    /// The client offers subprotocols, and none of them is known.
    UnknownSubprotocols,
    /// The query of a WebSocket cannot be read.
    Query(QueryError),
    /// The parameter `method` of a WebSocket is not an HTTP method, or is there twice.
    MethodParameter,
}

impl DispatchError {
    /// Returns the status of the response: 400, 404, 405, 415 or 505.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::Route(error) => error.status(),
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::HttpVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::UnknownSubprotocols | Self::Query(_) | Self::MethodParameter => {
                StatusCode::BAD_REQUEST
            }
        }
    }

    /// Returns the methods for the header `Allow`, if the status is 405.
    pub fn allowed(&self) -> Option<&Allowed> {
        match self {
            Self::Route(RouteError::MethodNotAllowed(allowed)) => Some(allowed),
            _ => None,
        }
    }
}

impl fmt::Display for DispatchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(error) => error.fmt(f),
            Self::UnsupportedMediaType => f.write_str(
                "the content type must be application/json, application/proto, \
                 application/connect+json, application/connect+proto, application/grpc, \
                 application/grpc-web or application/grpc-web-text",
            ),
            Self::HttpVersion => f.write_str("gRPC needs HTTP/2"),
            Self::UnknownSubprotocols => f.write_str(
                "expected the subprotocol sockeye.grpc.v1, grpc-websockets or Bearer, or none",
            ),
            Self::Query(error) => error.fmt(f),
            Self::MethodParameter => {
                f.write_str("the parameter method must be an HTTP method, and there once")
            }
        }
    }
}

impl Error for DispatchError {}

impl From<RouteError> for DispatchError {
    fn from(error: RouteError) -> Self {
        Self::Route(error)
    }
}
