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
use crate::telemetry::histograms::HISTOGRAMS;

/// Content type of the text format of Prometheus.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

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
