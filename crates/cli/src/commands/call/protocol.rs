//! The protocols of calls, a module each.

use clap::ValueEnum;

pub(super) mod connect;
pub(super) mod grpc;
pub(super) mod grpc_web;
pub(super) mod json;
pub(super) mod websocket;

/// The protocol of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Protocol {
    /// gRPC.
    Grpc,
    /// gRPC-Web.
    GrpcWeb,
    /// gRPC-Web in base64.
    GrpcWebText,
    /// Connect.
    Connect,
    /// The subprotocol sockeye.grpc.v1 of the gateway.
    Websocket,
    /// JSON over HTTP.
    Json,
}
