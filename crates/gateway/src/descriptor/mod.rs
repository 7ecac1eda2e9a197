//! Services, messages and enums of an upstream, from the descriptors that it serves or a file has.
//!
//! [`Pool::from_set`] and [`Pool::from_files`] read `google.protobuf.FileDescriptorProto` and link
//! the files. A pool is immutable: a refresh builds a new one, and a bad set leaves the old one in
//! place. proto2, proto3 and editions are read. A later edition is read with the defaults of
//! edition 2024, so that a newer upstream does not stop the gateway.
//!
//! # Hostile sets
//! Reflection gives what an upstream chooses to send. The limits are the constants of
//! [`Pool`]; a set beyond one, or one that is malformed or contradicts itself, is refused with a
//! [`DescriptorError`] that names the file. Time and memory are linear in the size of the set.
//!
//! # Missing files
//! Files under `google/` that upstreams often leave out are bundled: the well-known types, the
//! annotations of `google.api` and the error details of `google.rpc`. A file of the set takes
//! precedence over the bundled one of the same name. Other missing imports matter only if a field
//! or a method needs a type of theirs.

mod bundled;
mod error;
mod features;
mod link;
mod pool;
mod proto;
#[cfg(test)]
mod tests;

pub use error::{DescriptorError, DescriptorProblem};
pub use pool::{
    Cardinality, Enum, EnumId, EnumValue, Extension, Field, File, FileId, Idempotency, Kind,
    Message, MessageId, Method, Oneof, Pool, Service,
};
