//! `/metrics`: the metrics of all connections, in the text format of Prometheus.

use std::time::Duration;

use anyhow::Context;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

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

/// Interval at which samples are moved into their buckets, so that they do not accumulate while no
/// client requests the metrics. The default of metrics-exporter-prometheus.
const UPKEEP_INTERVAL: Duration = Duration::from_secs(5);

/// The metrics recorder of the process.
#[derive(Clone)]
pub(crate) struct ServerMetrics {
    recorder: PrometheusHandle,
}

impl ServerMetrics {
    /// Installs the recorder of the process. Must be called within a Tokio runtime, before the
    /// first connection.
    ///
    /// # Errors
    /// When the process already has a recorder.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full("sockeye_rtt_seconds".into()), &RTT_BUCKETS)
            .and_then(|builder| {
                let calls = Matcher::Full(sockeye_gateway::metrics::CALL_SECONDS.into());
                builder.set_buckets_for_metric(calls, &CALL_BUCKETS)
            })
            .and_then(PrometheusBuilder::install_recorder)
            .context("cannot record metrics")?;
        sockeye::metrics::describe();
        tokio::spawn(run_upkeep(recorder.clone()));
        Ok(Self { recorder })
    }

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
