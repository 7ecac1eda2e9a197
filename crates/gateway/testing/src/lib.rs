//! A gRPC server for the tests of `sockeye-gateway`: tonic's, over TCP, with server reflection and
//! health checks.

mod echo;
mod health;
pub mod proto;
mod proxy;
mod reflection;
mod server;

pub use echo::Echo;
pub use health::Health;
pub use proxy::Proxy;
pub use reflection::ReflectionVersion;
pub use server::{Options, Server};

/// The encoded `FileDescriptorSet` of all services.
pub const DESCRIPTORS: &[u8] = include_bytes!("generated/descriptors.bin");
