//! The gRPC service of the demo of `sockeye serve`: one method of each of gRPC's four kinds.
//!
//! The definition is `proto/demo.proto`. The messages and stubs generated from it also build for
//! browsers; the server, [`Service`], does not.

#[cfg(not(target_family = "wasm"))]
mod chat;
#[cfg(not(target_family = "wasm"))]
mod length;
#[cfg(not(target_family = "wasm"))]
mod service;
#[cfg(not(target_family = "wasm"))]
mod upload;

#[cfg(not(target_family = "wasm"))]
pub use service::Service;

/// Code that tonic and prost generate from the definition: see `codegen/`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated"
)]
pub mod v1 {
    include!("generated/sockeye.demo.v1.rs");
}
