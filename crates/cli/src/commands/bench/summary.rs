//! The result of a test as text and as JSON.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sockeye_load::{Latency, LatencyReport};

use super::target::Target;
use crate::units::three_digits;

/// Version of the JSON schema, which docs/bench.md describes.
pub(super) const SCHEMA: &str = "sockeye-bench/1";

/// Schedule lag of the 99th percentile above which the client may be the bottleneck, in
/// microseconds. Chosen: a thousand times the lag of an idle client.
const MAX_LAG: f64 = 1000.0;

/// Share of its threads' time above which the client is the bottleneck.
const MAX_CLIENT: f64 = 0.95;

/// The result of a test.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    schema: &'static str,
    url: String,
    mode: &'static str,
    duration_s: f64,
    connections: usize,
    threads: usize,
    offered_per_s: Option<f64>,
    pub(super) achieved_per_s: f64,
    due: u64,
    answered: u64,
    timed_out: u64,
    response: Times,
    service: Option<Times>,
    schedule_lag: Option<Times>,
    handshake: Times,
    pub(super) client_cpu: f64,
    pub(super) generator_limited: bool,
    fan_out: Option<FanOut>,
}

/// A distribution of times, in microseconds.
#[derive(Debug, Serialize)]
pub(super) struct Times {
    count: u64,
    min_us: f64,
    mean_us: f64,
    p50_us: f64,
    p90_us: f64,
    p95_us: f64,
    pub(super) p99_us: f64,
    #[serde(rename = "p99.9_us")]
    p999_us: f64,
    max_us: f64,
}

#[derive(Debug, Serialize)]
struct FanOut {
    expected: u64,
    received: u64,
    reach: f64,
    lost: u64,
    doubled: u64,
    reordered: u64,
}

impl Summary {
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub(super) fn new(target: &Target, report: &LatencyReport) -> Self {
        let counts = &report.counts;
        let times = |latency: &Latency| (latency.messages() > 0).then(|| Times::new(latency));
        let response = Times::new(&counts.response);
        let schedule_lag = times(&counts.lag);
        let client_cpu = counts.client.as_secs_f64()
            / (report.duration.as_secs_f64() * report.threads.max(1) as f64);
        let is_late = schedule_lag
            .as_ref()
            .is_some_and(|lag| lag.p99_us > MAX_LAG && lag.p99_us > response.p99_us / 10.0);
        let fan_out = report.expected_deliveries.map(|expected| FanOut {
            expected,
            received: counts.answered,
            reach: counts.answered as f64 / expected.max(1) as f64,
            lost: counts.lost,
            doubled: counts.doubled,
            reordered: counts.reordered,
        });
        Self {
            schema: SCHEMA,
            url: target.url.clone(),
            mode: match (&fan_out, report.offered) {
                (Some(_), _) => "fan-out",
                (None, Some(_)) => "open-loop",
                (None, None) => "closed-loop",
            },
            duration_s: report.duration.as_secs_f64(),
            connections: report.connections,
            threads: report.threads,
            offered_per_s: report.offered,
            achieved_per_s: report.achieved(),
            due: counts.due,
            answered: counts.answered,
            timed_out: counts.timed_out,
            service: times(&counts.service),
            handshake: Times::new(&report.handshake),
            client_cpu,
            generator_limited: is_late || client_cpu > MAX_CLIENT,
            response,
            schedule_lag,
            fan_out,
        }
    }

    pub(super) fn json(&self) -> serde_json::Result<String> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }
}

impl Times {
    fn new(latency: &Latency) -> Self {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        let quantile = |quantile| micros(latency.quantile(quantile));
        Self {
            count: latency.messages(),
            min_us: micros(latency.min()),
            mean_us: micros(latency.mean()),
            p50_us: quantile(0.5),
            p90_us: quantile(0.9),
            p95_us: quantile(0.95),
            p99_us: quantile(0.99),
            p999_us: quantile(0.999),
            max_us: micros(latency.max()),
        }
    }

    fn line(&self) -> String {
        [self.min_us, self.p50_us, self.p90_us, self.p95_us, self.p99_us, self.p999_us, self.max_us]
            .map(|micros| format!("{:>9}", three_digits(Duration::from_secs_f64(micros / 1e6))))
            .join("")
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} for {:.1} s: connections {}, threads {}, {}",
            self.url, self.duration_s, self.connections, self.threads, self.mode
        )?;
        let achieved = self.achieved_per_s;
        match (self.offered_per_s, &self.fan_out) {
            (Some(offered), Some(_)) => {
                writeln!(f, "  published {offered:.1}/s, delivered {achieved:.1}/s")?;
            }
            (Some(offered), None) => {
                writeln!(f, "  offered {offered:.1}/s, achieved {achieved:.1}/s")?;
            }
            (None, _) => writeln!(f, "  achieved {achieved:.1}/s (the server sets the rate)")?,
        }
        writeln!(
            f,
            "  {} due, {} answered, {} timed out",
            self.due, self.answered, self.timed_out
        )?;
        writeln!(
            f,
            "  {:<14}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}{:>9}",
            "", "min", "p50", "p90", "p95", "p99", "p99.9", "max"
        )?;
        let rows = [
            ("response time", Some(&self.response)),
            ("service time", self.service.as_ref()),
            ("schedule lag", self.schedule_lag.as_ref()),
            ("handshake", Some(&self.handshake)),
        ];
        for (name, times) in rows {
            if let Some(times) = times {
                writeln!(f, "  {name:<14}{}", times.line())?;
            }
        }
        if let Some(fan_out) = &self.fan_out {
            writeln!(
                f,
                "  reach {:.4} % ({} of {}), {} lost, {} doubled, {} reordered",
                fan_out.reach * 100.0,
                fan_out.received,
                fan_out.expected,
                fan_out.lost,
                fan_out.doubled,
                fan_out.reordered
            )?;
        }
        writeln!(f, "  client: {:.0} % of its threads' time", self.client_cpu * 100.0)?;
        if self.generator_limited {
            writeln!(f, "  generator-limited: the client was the bottleneck, not the server")?;
        }
        Ok(())
    }
}
