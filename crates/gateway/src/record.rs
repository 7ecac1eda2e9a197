//! Records of calls, for access logs and metrics.
//!
//! ```
//! use sockeye_gateway::Gateway;
//!
//! // A line for each call: `grpc /package.Service/Method NOT_FOUND 1.25ms`.
//! let builder = Gateway::builder().observer(|record| {
//!     let target = record.method.as_deref().unwrap_or(&record.path);
//!     println!("{} {target} {} {:?}", record.dialect.name(), record.code, record.duration);
//! });
//! # let _ = builder;
//! ```

use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use http::{Method, StatusCode};

use crate::status::Code;

/// The protocol by which a client makes a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// gRPC.
    Grpc,
    /// grpc-web, in bytes or in text.
    GrpcWeb,
    /// Connect, unary or streams.
    Connect,
    /// JSON over HTTP.
    Json,
    /// Many calls on a WebSocket, by the subprotocol `sockeye.grpc.v1`.
    SockeyeGrpc,
    /// One call on a WebSocket, by the subprotocol `grpc-websockets`.
    GrpcWebSockets,
    /// One call on a WebSocket in JSON.
    JsonWebSocket,
    /// Packets on a WebSocket.
    Packets,
    /// HTTP/2 in a WebSocket.
    Tunnel,
    /// HTTP that is no call: a preflight, a page, a path without a method.
    Http,
}

impl Dialect {
    /// Number of dialects.
    #[cfg(feature = "metrics")]
    pub(crate) const COUNT: usize = Self::Http as usize + 1;

    /// Returns the name, in lowercase with hyphens: the label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::GrpcWeb => "grpc-web",
            Self::Connect => "connect",
            Self::Json => "json",
            Self::SockeyeGrpc => "sockeye-grpc",
            Self::GrpcWebSockets => "grpc-websockets",
            Self::JsonWebSocket => "json-websocket",
            Self::Packets => "packets",
            Self::Tunnel => "tunnel",
            Self::Http => "http",
        }
    }
}

/// A call, or another request, that has ended. See [`Builder::observer`](crate::Builder::observer).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CallRecord {
    /// The protocol of the client.
    pub dialect: Dialect,
    /// The HTTP method.
    pub http_method: Method,
    /// The path of the request, without its query.
    pub path: Box<str>,
    /// The path of the gRPC method, `/package.Service/Method`. `None` if the request names none
    /// that the gateway knows.
    pub method: Option<Box<str>>,
    /// The address of the client, or of the client that a trusted proxy names.
    pub peer: Option<SocketAddr>,
    /// The header `x-request-id`.
    pub request_id: Option<Box<str>>,
    /// The header `traceparent`, which names the client's span (W3C Trace Context).
    pub traceparent: Option<Box<str>>,
    /// The status of the call. `canceled` if the client left before the end.
    pub code: Code,
    /// The HTTP status. `None` if the client left before the response, and for calls on WebSockets.
    pub http_status: Option<StatusCode>,
    /// The time at which the request arrived.
    pub started: SystemTime,
    /// The time until the last byte of the response was taken, or until the client left.
    pub duration: Duration,
    /// The length of the request's body, in bytes.
    pub request_bytes: u64,
    /// The length of the response's body, in bytes.
    pub response_bytes: u64,
    /// The number of messages that went to the upstream.
    pub request_messages: u64,
    /// The number of messages that came from the upstream.
    pub response_messages: u64,
}
