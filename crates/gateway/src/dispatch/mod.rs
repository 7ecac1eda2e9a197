//! The dialect of a request, decided from its head.
//!
//! The first row that fits decides. An *RPC path* is `/package.Service/Method` of a known method.
//!
//! | request | is |
//! |---|---|
//! | `OPTIONS` with `Origin` and `Access-Control-Request-Method` | a preflight of CORS |
//! | WebSocket with the subprotocol `sockeye.grpc.v1` | many calls on one socket |
//! | WebSocket with `grpc-websockets` | one call in the form of gRPC-Web |
//! | WebSocket on the [tunnel's path](DispatchOptions::tunnel_path) | HTTP/2 in binary messages |
//! | WebSocket on the [path of packets](DispatchOptions::packet_path) | many calls in binary packets |
//! | WebSocket without a subprotocol, or with `Bearer`, on a route or RPC path | one call in JSON |
//! | WebSocket else | 400 with other subprotocols, 404 or 405 without |
//! | `application/grpc-web-text`, `application/grpc-web` | gRPC-Web; 405 unless POST |
//! | `application/grpc` | gRPC; 505 below HTTP/2, 405 unless POST |
//! | `application/connect+proto`, `+json` on an RPC path | a stream of Connect; 405 unless POST |
//! | `application/proto` on an RPC path | a unary call of Connect; 405 unless POST |
//! | `GET` with `message` and `encoding` on an RPC path | a unary call of Connect |
//! | a route | REST; with [`form_posts`](DispatchOptions::form_posts), also by a form |
//! | `POST` with `application/json` on an RPC path | a unary call of Connect, or JSON |
//! | an RPC path else | 415 for POST, 405 for others |
//! | everything else | 404, 405, or 400 for a malformed path |
//!
//! Types of gRPC and gRPC-Web may have a suffix, such as `+proto`, and all types parameters. A
//! path that is no RPC path is an error of gRPC and gRPC-Web, so these dialects answer it.

mod decide;
mod error;
mod head;
#[cfg(test)]
mod tests;

pub use self::decide::{Codec, Dispatch, DispatchOptions, dispatch};
pub use self::error::DispatchError;
pub(crate) use self::head::{CONNECT_PROTOCOL_VERSION, is_connect};
pub use self::head::{MediaType, RequestHead, SUBPROTOCOL_BEARER};
