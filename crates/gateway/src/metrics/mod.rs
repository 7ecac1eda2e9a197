//! Metrics of all gateways of the process, for any recorder of the crate `metrics` that the program
//! installs before the first call.
//!
//! | name | labels | meaning |
//! |---|---|---|
//! | `sockeye_gateway_calls_in_progress` | | requests that are being answered now: a gauge |
//! | `sockeye_gateway_calls_total` | `dialect`, `method`, `code` | calls that have ended |
//! | `sockeye_gateway_call_seconds` | `dialect`, `method` | time to the end of a call: a histogram |
//! | `sockeye_gateway_request_bytes_total` | `dialect` | length of the bodies of requests |
//! | `sockeye_gateway_response_bytes_total` | `dialect` | length of the bodies of responses |
//! | `sockeye_gateway_request_messages_total` | `dialect` | messages sent to upstreams |
//! | `sockeye_gateway_response_messages_total` | `dialect` | messages received from upstreams |
//!
//! | label | values |
//! |---|---|
//! | `dialect` | [`Dialect::name`](crate::Dialect::name) |
//! | `method` | the path of a method of the catalog, or `none`: clients cannot make labels up |
//! | `code` | [`Code::name`](crate::status::Code::name) |
//!
//! The in-progress calls of WebSockets are counted one by one, and their opening handshakes only
//! while they are in progress. Without the feature `metrics`, none of this is compiled.

#[cfg(not(feature = "metrics"))]
mod absent;
#[cfg(feature = "metrics")]
mod recorded;

#[cfg(not(feature = "metrics"))]
pub(crate) use absent::{IS_ENABLED, on_begin, on_end};
#[cfg(feature = "metrics")]
pub use recorded::{CALL_SECONDS, describe};
#[cfg(feature = "metrics")]
pub(crate) use recorded::{IS_ENABLED, on_begin, on_end};
