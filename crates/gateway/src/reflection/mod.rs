//! Services of upstreams, learned at run time.
//!
//! [`fetch`] asks a server by server reflection, in the version `v1` or `v1alpha`, and
//! [`FileSet::from_descriptor_set`] reads a file.

mod answers;
mod client;
mod error;
mod file_set;
mod messages;

pub(crate) use answers::{Answers, is_reflection};
pub use client::fetch;
pub use error::{FileSetError, ReflectionError};
pub use file_set::FileSet;
