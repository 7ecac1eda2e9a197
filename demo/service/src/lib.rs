//! The gRPC service of the demo of `sockeye serve`: one method of each of gRPC's four kinds.
//!
//! The definition is `proto/demo.proto`. The messages and the stubs made from it build for browsers as well; the
//! server, [`Service`], does not.

#[cfg(not(target_family = "wasm"))]
mod chat;
#[cfg(not(target_family = "wasm"))]
mod service;
#[cfg(not(target_family = "wasm"))]
mod upload;

#[cfg(not(target_family = "wasm"))]
pub use service::Service;

/// What tonic and prost make of the definition.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated"
)]
pub mod v1 {
    tonic::include_proto!("sockeye.demo.v1");
}
