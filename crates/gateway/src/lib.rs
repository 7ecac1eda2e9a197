//! A gateway in front of any gRPC service, without generated code.
//!
//! This crate is being built. [`upstream`] makes calls. All other modules are pure: no sockets, no
//! clock, no tasks.

#![forbid(unsafe_code)]

pub mod deadline;
pub mod descriptor;
pub mod dialect;
pub mod dispatch;
pub mod metadata;
mod protobuf;
pub mod route;
pub mod rules;
pub mod status;
pub mod transcode;
pub mod upstream;
mod wire;

pub use protobuf::{WireError, WireProblem};
