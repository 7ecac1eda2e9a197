//! Metrics of all connections: `/metrics` has them in the text format of Prometheus, and the
//! exporter of OpenTelemetry sends them.

use std::time::Duration;

use anyhow::Context;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{
    Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder,
};

use super::Hosting;
use crate::telemetry;

/// Content type of the text format of Prometheus.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the histogram buckets for round-trip times, in seconds. Chosen: in steps of 1,
/// 2.5 and 5, from a local network to a satellite link.
const RTT_BUCKETS: [f64; 11] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// Upper bounds of the histogram buckets for calls through the gateway, in seconds. Chosen: in
/// steps of 1, 2.5 and 5, from a call on one machine to a long stream.
const CALL_BUCKETS: [f64; 15] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 60.0, 600.0];

/// The histograms that have buckets of their own.
const HISTOGRAMS: [(&str, &[f64]); 2] = [
    ("sockeye_rtt_seconds", &RTT_BUCKETS),
    (sockeye_gateway::metrics::CALL_SECONDS, &CALL_BUCKETS),
];

/// Interval at which samples are moved into their buckets, so that they do not accumulate while no
/// client requests the metrics. The default of metrics-exporter-prometheus.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The metrics of the process as text.
#[derive(Clone)]
pub(crate) struct ServerMetrics {
    recorder: PrometheusHandle,
}

/// Installs the recorders of the process that the flags and the environment ask for. Returns that of
/// `/metrics`, if `--metrics` asks for it. Must be called within a Tokio runtime, before the first
/// connection.
///
/// # Errors
/// When the process already has a recorder.
pub(crate) fn install(hosting: &Hosting) -> anyhow::Result<Option<ServerMetrics>> {
    let served = if hosting.metrics { Some(prometheus()?) } else { None };
    let metrics = served.as_ref().map(|recorder| ServerMetrics { recorder: recorder.handle() });
    match (served, telemetry::recorder()) {
        (None, None) => return Ok(None),
        (Some(served), None) => set(served)?,
        (None, Some(exported)) => set(exported)?,
        (Some(served), Some(exported)) => set(both(served, exported))?,
    }
    sockeye::metrics::describe();
    if let Some(metrics) = &metrics {
        tokio::spawn(run_upkeep(metrics.recorder.clone()));
    }
    Ok(metrics)
}

/// Returns whether metrics are recorded with these flags.
pub(crate) fn are_recorded(hosting: &Hosting) -> bool {
    hosting.metrics || telemetry::exports_metrics()
}

/// Returns the upper bounds of the buckets of a histogram.
#[cfg(feature = "otlp")]
pub(crate) fn buckets(name: &str) -> Option<&'static [f64]> {
    HISTOGRAMS.iter().find(|(histogram, _)| *histogram == name).map(|(_, bounds)| *bounds)
}

fn prometheus() -> anyhow::Result<PrometheusRecorder> {
    let mut builder = PrometheusBuilder::new();
    for (name, bounds) in HISTOGRAMS {
        builder = builder
            .set_buckets_for_metric(Matcher::Full(name.to_owned()), bounds)
            .context("cannot record metrics")?;
    }
    Ok(builder.build_recorder())
}

fn set(recorder: impl metrics::Recorder + Sync + 'static) -> anyhow::Result<()> {
    metrics::set_global_recorder(recorder).map_err(|_| anyhow::anyhow!("cannot record metrics"))
}

#[cfg(feature = "otlp")]
fn both(
    served: PrometheusRecorder,
    exported: impl metrics::Recorder + Send + Sync + 'static,
) -> impl metrics::Recorder + Sync + 'static {
    metrics_util::layers::FanoutBuilder::default()
        .add_recorder(served)
        .add_recorder(exported)
        .build()
}

/// Never called: nothing is exported.
#[cfg(not(feature = "otlp"))]
fn both(served: PrometheusRecorder, _: metrics::NoopRecorder) -> PrometheusRecorder {
    served
}

impl ServerMetrics {
    /// Returns a response with the current metrics.
    pub(crate) fn render(&self) -> Response {
        let headers = [(CONTENT_TYPE, TEXT_FORMAT), (CACHE_CONTROL, "no-store")];
        (headers, self.recorder.render()).into_response()
    }
}

async fn run_upkeep(recorder: PrometheusHandle) {
    let mut ticks = tokio::time::interval(UPKEEP_INTERVAL);
    loop {
        ticks.tick().await;
        recorder.run_upkeep();
    }
}
