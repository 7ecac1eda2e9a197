//! The opening handshake of both roles (RFC 6455 sections 1.3 and 4, RFC 8441), without I/O, clock
//! or randomness.
//!
//! ```text
//! client                                           server
//!
//! Url, ClientRequest ── encode(key) ──────────────► HeadSearch, RequestHead
//!                                                   Request  all rules checked
//!                                                   Terms    host, origin, subprotocol, extensions
//! HeadSearch, ResponseHead ◄──────── encode() ───── Response, or a Refusal
//! ClientRequest::verify
//!        │                                             │
//!        ▼                                             ▼
//!   Negotiated                                     Negotiated
//! ```
//!
//! A server behind an HTTP library does not see the bytes of the head: [`Request::from_http`]
//! checks the parsed request by the same rules, and [`Response::to_headers`] returns the headers of
//! the response.
//!
//! Over HTTP/2, a client opens a WebSocket on a stream by an extended CONNECT, which the server
//! answers with 200 (RFC 8441): [`ClientRequest::to_http2`], [`Request::from_http2`],
//! [`Response::to_headers`], [`ClientRequest::verify_http2`]. HTTP/2 needs no key and no upgrade;
//! all other rules are the same, and are checked in the same place.

mod authority;
mod client;
mod credentials;
mod error;
mod head;
mod host;
mod key;
mod negotiated;
mod origin;
mod pattern_error;
mod patterns;
mod refusal;
mod request;
mod request_error;
mod request_values;
mod response;
mod subprotocol;
mod url;

pub use client::ClientRequest;
pub use credentials::{BasicCredentials, CredentialsError};
pub use error::{HandshakeError, MalformedHead};
pub use head::{HeadLimits, HeadSearch, RequestHead, ResponseHead};
pub use host::HostPolicy;
pub use key::{Accept, Key};
pub use negotiated::Negotiated;
pub use origin::OriginPolicy;
pub use pattern_error::PatternError;
pub use refusal::Refusal;
pub use request::Request;
pub use request_error::RequestError;
pub use request_values::{bearer_token, cookie, query_parameter};
pub use response::{Response, Terms, is_reserved_header};
pub use subprotocol::{MAX_SUBPROTOCOLS, SubprotocolError};
pub use url::Url;
