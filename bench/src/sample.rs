//! One measurement: a fresh server on one core, a fresh driver on another, and whether it counts.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use serde::Serialize;

use crate::load::Report;
use crate::mode::Mode;
use crate::rival::{Rival, Running};
use crate::scenario::Scenario;

/// A sample is disturbed when server or driver was ready to run but kept waiting for its core longer
/// than this share of the counted time.
pub const WAITED_LIMIT: f64 = 0.02;

/// A sample is disturbed when the hypervisor took more than this share of the counted time.
pub const STOLEN_LIMIT: f64 = 0.01;

/// A sample and where it belongs.
#[derive(Clone, Debug, Serialize)]
pub struct Sample {
    /// The scenario's name.
    pub scenario: String,
    /// The rival's name.
    pub rival: &'static str,
    /// Which round, from 1 on.
    pub round: usize,
    /// What the driver saw.
    pub report: Report,
    /// Whether something else on the machine got in the way: see [`WAITED_LIMIT`] and [`STOLEN_LIMIT`].
    pub disturbed: bool,
}

/// How samples are taken.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Core of the server.
    pub server_core: usize,
    /// Core of the driver.
    pub driver_core: usize,
    /// Counted time.
    pub duration: Duration,
    /// Time at full load before it.
    pub warm_up: Duration,
}

/// Takes one sample with the programs in `folder`.
///
/// # Errors
///
/// If a program cannot be started, or the driver found the echo wanting.
pub fn take(
    terms: &Terms,
    scenario: &Scenario,
    rival: &Rival,
    round: usize,
    folder: &Path,
) -> anyhow::Result<Sample> {
    let server = on_core(terms.server_core, || Running::start(rival, &Mode::default(), folder))?
        .with_context(|| format!("{} does not start", rival.program))?;
    let mut driver = Command::new(folder.join("driver"));
    driver
        .arg(server.address().to_string())
        .args(["--wire", value_name(rival.wire)?.as_str()])
        .args(["--payload", value_name(scenario.payload)?.as_str()])
        .args(["--length", &scenario.length.to_string()])
        .args(["--connections", &scenario.connections.to_string()])
        .args(["--in-flight", &scenario.in_flight.to_string()])
        .args(["--seconds", &terms.duration.as_secs_f64().to_string()])
        .args(["--warm-up", &terms.warm_up.as_secs_f64().to_string()])
        .args(["--server-pid", &server.pid().to_string()]);
    let output = on_core(terms.driver_core, || driver.output())?.context("driver")?;
    if !output.status.success() {
        let reason = String::from_utf8_lossy(&output.stderr).into_owned();
        bail!("{} on {}: {reason}", rival.name, scenario.name);
    }
    let report: Report = serde_json::from_slice(&output.stdout).context("the driver's report")?;
    let disturbed = is_disturbed(&report);
    Ok(Sample { scenario: scenario.name.clone(), rival: rival.name, round, report, disturbed })
}

fn is_disturbed(report: &Report) -> bool {
    let waited = report.server.map_or(0.0, |server| server.waited).max(report.driver.waited);
    waited > WAITED_LIMIT || report.stolen > STOLEN_LIMIT
}

/// The command-line name of a value is its name in JSON.
fn value_name(value: impl Serialize) -> anyhow::Result<String> {
    match serde_json::to_value(value)? {
        serde_json::Value::String(name) => Ok(name),
        other => bail!("{other} is no name"),
    }
}

/// Runs `start` with this thread on one core, which a process started there inherits.
fn on_core<T>(core: usize, start: impl FnOnce() -> T) -> anyhow::Result<T> {
    let before = sched_getaffinity(None)?;
    let mut set = CpuSet::new();
    set.set(core);
    sched_setaffinity(None, &set).with_context(|| format!("core {core} cannot be used"))?;
    let result = start();
    sched_setaffinity(None, &before)?;
    Ok(result)
}
