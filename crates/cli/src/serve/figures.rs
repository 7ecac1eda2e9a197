//! `/metrics`: the figures of all connections, in the text format of Prometheus.

use std::time::Duration;

use anyhow::Context;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

/// What Prometheus knows its text format by.
const TEXT_FORMAT: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Upper bounds of the round-trip times that are counted together, in seconds: from the same house
/// to a satellite.
const RTT_BUCKETS: [f64; 11] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0];

/// How often samples are put into their buckets, so that they take no room while nobody asks.
const UPKEEP: Duration = Duration::from_secs(5);

/// The recorder of the process.
#[derive(Clone)]
pub(crate) struct Figures {
    recorder: PrometheusHandle,
}

impl Figures {
    /// Begins to record. To be called before the first connection, in the runtime.
    ///
    /// # Errors
    /// When the process has a recorder already.
    pub(crate) fn install() -> anyhow::Result<Self> {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(Matcher::Full("sockeye_rtt_seconds".into()), &RTT_BUCKETS)
            .and_then(PrometheusBuilder::install_recorder)
            .context("cannot record figures")?;
        sockeye::figures::describe();
        tokio::spawn(keep_up(recorder.clone()));
        Ok(Self { recorder })
    }

    /// All of them, as they are now.
    pub(crate) fn page(&self) -> Response {
        let headers = [(CONTENT_TYPE, TEXT_FORMAT), (CACHE_CONTROL, "no-store")];
        (headers, self.recorder.render()).into_response()
    }
}

async fn keep_up(recorder: PrometheusHandle) {
    let mut every = tokio::time::interval(UPKEEP);
    loop {
        every.tick().await;
        recorder.run_upkeep();
    }
}
