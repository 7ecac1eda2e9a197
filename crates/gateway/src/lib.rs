//! A gateway in front of any gRPC service, without generated code.
//!
//! [`Gateway`] serves requests and WebSockets, [`catalog`] has the tasks that keep the methods
//! current, and [`upstream`] and [`reflection`] make calls. All other modules are pure: no sockets,
//! no clock, no tasks. `sockeye gateway` is a program around this crate.

#![forbid(unsafe_code)]

pub mod auth;
pub mod catalog;
mod console;
pub mod deadline;
pub mod descriptor;
pub mod dialect;
pub mod dispatch;
#[cfg(any(fuzzing, test))]
#[doc(hidden)]
pub mod fuzzing;
mod json_object;
pub mod metadata;
#[cfg(feature = "metrics")]
pub mod metrics;
#[cfg(not(feature = "metrics"))]
mod metrics;
mod openapi;
mod protobuf;
mod rate_limit;
pub mod record;
pub mod reflection;
pub mod route;
pub mod rules;
mod service;
pub mod status;
pub mod transcode;
pub mod upstream;
mod wire;

pub use protobuf::{WireError, WireProblem};
pub use rate_limit::RateLimit;
pub use record::{CallRecord, Dialect};
pub use service::{Body, BoxError, Builder, Gateway, PacketRouteError, PacketRoutes};
