//! One measurement: a new server on one core, a new driver on another, and whether the result
//! counts.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::{Deserialize, Serialize};

use crate::mode::Certificate;
use crate::report::Report;
use crate::rival::{Rival, RunningServer};
use crate::scenario::{RATE, Scenario};

/// Maximum share of the counted time during which server or driver may be ready to run but wait for
/// its core; beyond it, the sample is disturbed.
pub const WAITED_LIMIT: f64 = 0.02;

/// Maximum share of the counted time that the hypervisor may take; beyond it, the sample is
/// disturbed.
pub const STOLEN_LIMIT: f64 = 0.01;

/// A sample, with its scenario, rival and round.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// The scenario's name.
    pub scenario: String,
    /// The rival's name.
    pub rival: String,
    /// The round, counted from 1.
    pub round: usize,
    /// The driver's report.
    pub report: Report,
    /// `true` if another load on the machine interfered: see [`WAITED_LIMIT`] and [`STOLEN_LIMIT`].
    pub disturbed: bool,
}

/// The settings of samples.
#[derive(Clone, Debug)]
pub struct SampleSettings {
    /// Core of the server.
    pub server_core: usize,
    /// Core of the driver.
    pub driver_core: usize,
    /// Counted time.
    pub duration: Duration,
    /// Time at full load before the counted time.
    pub warm_up: Duration,
    /// The certificate for scenarios over TLS.
    pub certificate: Certificate,
}

/// Takes one sample with the programs in `folder`.
///
/// # Errors
///
/// If a program cannot be started, or the driver reports an error.
pub fn take(
    settings: &SampleSettings,
    scenario: &Scenario,
    rival: &Rival,
    round: usize,
    folder: &Path,
) -> anyhow::Result<Sample> {
    let mode = scenario.mode(&settings.certificate);
    let server = run_on_core(settings.server_core, || RunningServer::start(rival, &mode, folder))?
        .with_context(|| format!("{} does not start", rival.program))?;
    let duration = match scenario.seconds {
        Some(seconds) => Duration::from_secs(seconds.into()),
        None => settings.duration,
    };
    let mut driver = Command::new(folder.join("driver"));
    driver
        .arg(server.address().to_string())
        .args(["--protocol", rival.protocol.name()])
        .args(["--pattern", scenario.pattern.name()])
        .args(["--payload", scenario.payload.name()])
        .args(["--length", &scenario.length.to_string()])
        .args(["--connections", &scenario.connections.to_string()])
        .args(["--in-flight", &scenario.in_flight.to_string()])
        .args(["--rate", &RATE.to_string()])
        .args(["--seconds", &duration.as_secs_f64().to_string()])
        .args(["--warm-up", &settings.warm_up.as_secs_f64().to_string()])
        .args(["--server-pid", &server.pid().to_string()]);
    if let Some(streams) = scenario.streams {
        driver.args(["--streams", &streams.to_string()]);
    }
    if let Some(deflate) = mode.deflate {
        driver.args(["--deflate", deflate.name()]);
    }
    if let Some(certificate) = &mode.tls {
        driver.arg("--certificate").arg(&certificate.chain);
    }
    let output = run_on_core(settings.driver_core, || driver.output())?.context("driver")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{}", reason.trim());
    }
    let report: Report = serde_json::from_slice(&output.stdout).context("the driver's report")?;
    let disturbed = is_disturbed(&report);
    Ok(Sample {
        scenario: scenario.name.clone(),
        rival: rival.name.to_owned(),
        round,
        report,
        disturbed,
    })
}

/// Returns whether another load interfered. Memory samples are never disturbed, as waiting does not
/// change how much memory a server keeps.
fn is_disturbed(report: &Report) -> bool {
    if report.memory.is_some() {
        return false;
    }
    let waited = report.server.map_or(0.0, |server| server.waited).max(report.driver.waited);
    waited > WAITED_LIMIT || report.stolen > STOLEN_LIMIT
}

/// Runs `start` with this thread pinned to one core; a process started there inherits the core.
fn run_on_core<T>(core: usize, start: impl FnOnce() -> T) -> anyhow::Result<T> {
    let before = sched_getaffinity(None)?;
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("core {core} cannot be used"))?;
    let result = start();
    sched_setaffinity(None, &before)?;
    Ok(result)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::report::{CpuUsage, Memory, Percentiles};

    /// Returns a sample with this server time per message; its other fields are arbitrary.
    pub(crate) fn sample(scenario: &str, rival: &str, microseconds: f64) -> Sample {
        let usage = CpuUsage { microseconds_per_message: microseconds, busy: 1.0, waited: 0.0 };
        let report = Report {
            seconds: 1.0,
            messages: 8,
            messages_per_second: 8.0,
            latency: Some(Percentiles { p50: 1.0, p99: 2.0, p999: 3.0, max: 4.0 }),
            server: Some(usage),
            driver: usage,
            stolen: 0.0,
            sent: None,
            memory: None,
        };
        Sample {
            scenario: scenario.to_owned(),
            rival: rival.to_owned(),
            round: 1,
            report,
            disturbed: false,
        }
    }

    #[test]
    fn waiting_of_either_side_or_a_busy_host_disturbs_and_their_limits_do_not() {
        let report = sample("echo", "ours", 1.0).report;
        assert!(!is_disturbed(&report));
        let with = |server_waited, driver_waited, stolen| {
            let mut report = report.clone();
            report.server = report.server.map(|usage| CpuUsage { waited: server_waited, ..usage });
            report.driver.waited = driver_waited;
            report.stolen = stolen;
            is_disturbed(&report)
        };
        assert!(!with(WAITED_LIMIT, WAITED_LIMIT, STOLEN_LIMIT));
        assert!(with(0.021, 0.0, 0.0));
        assert!(with(0.0, 0.021, 0.0));
        assert!(with(0.0, 0.0, 0.011));
    }

    #[test]
    fn memory_is_not_disturbed_by_waiting() {
        let mut report = sample("memory", "ours", 1.0).report;
        report.driver.waited = 1.0;
        report.memory = Some(Memory { before: 1, after: 2, per_connection: 1.0 });
        assert!(!is_disturbed(&report));
    }

    #[test]
    fn a_sample_is_read_back_from_its_json() {
        let written = serde_json::to_value(sample("echo", "ours", 1.5)).unwrap();
        let read: Sample = serde_json::from_value(written.clone()).unwrap();
        assert_eq!(serde_json::to_value(read).unwrap(), written);
    }
}
