//! The same functions without the feature `otlp`: nothing is exported.

use metrics::NoopRecorder;
use sockeye_gateway::CallRecord;
use tracing_subscriber::Layer;

#[expect(clippy::unnecessary_wraps, reason = "fails with the feature")]
pub(crate) const fn start() -> anyhow::Result<()> {
    Ok(())
}

pub(crate) const fn finish() {}

pub(crate) fn spans<S>() -> Option<Box<dyn Layer<S> + Send + Sync>> {
    None
}

pub(crate) const fn call_observer() -> Option<fn(&CallRecord)> {
    None
}

pub(crate) const fn recorder() -> Option<NoopRecorder> {
    None
}

pub(crate) const fn exports_metrics() -> bool {
    false
}
