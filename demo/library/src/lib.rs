//! The gRPC service of `sockeye gateway --demo`: a library of books with methods of all four kinds,
//! HTTP rules, and errors with details.
//!
//! The definition is `proto/library.proto`.

mod failure;
mod service;
mod shelf;
mod validate;

pub use service::Service;

/// The encoded `FileDescriptorSet` of the service, with comments: see `codegen/`.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");

/// Code that tonic and prost generate from the definition: see `codegen/`.
#[allow(
    missing_docs,
    unused_qualifications,
    clippy::allow_attributes_without_reason,
    clippy::pedantic,
    reason = "generated"
)]
pub mod v1 {
    include!("generated/sockeye.library.v1.rs");
}
