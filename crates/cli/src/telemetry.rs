//! Traces and metrics for OpenTelemetry collectors: OTLP over HTTP, as the standard variables
//! `OTEL_*` of the environment ask for. Only with the feature `otlp`.
//!
//! ```text
//! spans of connections ──► tracing-opentelemetry ─┐
//! records of calls ───────► calls ────────────────┴─► queue, thread ─┐
//! metrics of the process ─► recorder ────────────────────► thread ───┴─► http ──► collector
//! ```

#[cfg(not(feature = "otlp"))]
mod absent;
#[cfg(feature = "otlp")]
mod calls;
#[cfg(feature = "otlp")]
mod export;
pub(crate) mod histograms;
#[cfg(feature = "otlp")]
mod http;
#[cfg(feature = "otlp")]
mod recorder;
#[cfg(feature = "otlp")]
mod signal;

#[cfg(not(feature = "otlp"))]
pub(crate) use self::absent::{call_observer, exports_metrics, finish, recorder, spans, start};
#[cfg(feature = "otlp")]
pub(crate) use self::export::{call_observer, exports_metrics, finish, recorder, spans, start};
