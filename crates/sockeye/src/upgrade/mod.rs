//! From a request to a connection, on a server.
//!
//! | the request comes from | use |
//! |---|---|
//! | a byte stream, without an HTTP library | [`Upgrader`], or [`Server`](crate::Server) for a whole server |
//! | hyper, with the feature `hyper` | `upgrade::hyper` |
//! | axum, with the feature `axum` | the extractor `sockeye::axum::WebSocketUpgrade` |
//!
//! All three check the request by the same rules, take the same [`Options`] and refuse with the same [`Refusal`]s.

mod error;
#[cfg(feature = "hyper")]
mod hyper;
mod options;
mod raw;

#[cfg(feature = "hyper")]
pub use self::hyper::{Upgrading, hyper};
#[cfg(feature = "axum")]
pub(crate) use self::hyper::{not_upgradable, upgrade};
pub use error::UpgradeError;
pub use options::Options;
pub use raw::Upgrader;
pub use sockeye_proto::handshake::{OriginPolicy, Refusal, Request, Response};
