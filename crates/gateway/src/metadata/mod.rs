//! Headers that become metadata, and metadata that become headers.
//!
//! Everything that passes between a client and an upstream passes through one
//! [`MetadataPolicy`], whatever the dialect:
//!
//! | | [`Convention::Rest`] | [`Convention::Rpc`] |
//! |---|---|---|
//! | request headers | those of the allow-list | all |
//! | response metadata | those of the other allow-list | all |
//! | names that the policy denies | never | never |
//! | names of the connection, of HTTP's content and of the dialects | never | never |
//! | `x-forwarded-*` and its kin | from trusted peers | from trusted peers |
//!
//! The headers of a protocol, such as `grpc-timeout` and `grpc-status`, are never metadata: the
//! dialects read and write them by themselves.

mod binary;
mod cors;
mod error;
mod forwarded;
mod names;
mod pattern;
mod policy;
mod request;
mod response;
#[cfg(test)]
mod tests;

pub use self::cors::exposed_headers;
pub use self::error::{MetadataError, PatternError};
pub use self::forwarded::{ConnectionScheme, Peer};
pub(crate) use self::names::is_forwarding;
pub use self::pattern::NamePattern;
pub use self::policy::{Convention, MetadataPolicy};
pub use self::response::Part;
