//! `sockeye bench`: measures the latency of a WebSocket server at a rate.
//!
//! ```text
//!  arguments ─► target (URL, TLS) ─► LatencyTest of sockeye-load ─► summary ─► text, JSON, SVG
//!                                        │            ▲               │
//!            progress ─► display,     runner ◄──── search,         criterion
//!                        interval log    ▲         comparison
//!                                  stop, keys
//! ```

use std::fs::OpenOptions;
use std::path::Path;

use anyhow::Context as _;
use sockeye_load::LatencyReport;

use self::runner::Runner;
use self::summary::Summary;
use self::target::Target;

use crate::client::{Failure, FailureKind};

pub(crate) use self::arguments::Bench;

mod arguments;
mod comparison;
mod criterion;
mod display;
mod interval_log;
mod keys;
mod percentiles;
mod plot;
mod runner;
mod search;
mod stop;
mod summary;
mod target;

/// Runs the command.
pub(crate) fn run(options: &Bench) -> anyhow::Result<()> {
    ensure_writable(options)?;
    let mut runner = Runner::new(options)?;
    let target = Target::resolve(&options.url, options)?;
    if let Some(other) = &options.compare {
        let other = Target::resolve(other, options)?;
        return comparison::run(&mut runner, &target, &other);
    }
    if let Some(criterion) = &options.find_max {
        return search::run(&mut runner, &target, criterion);
    }
    let report = runner.measure(&target, options.duration, options.rate)?;
    let summary = Summary::new(&target, &report);
    print!("{summary}");
    write_files(options, &summary, &report)?;
    let failures: Vec<_> =
        options.fail_if.iter().filter(|criterion| criterion.holds(&report)).collect();
    for criterion in &failures {
        println!("failed: {criterion} ({})", criterion.actual(&report));
    }
    runner.ensure_not_stopped()?;
    if report.counts.answered == 0 {
        let message = "no message was answered; the server has to echo every message, or with \
                       --fan-out to send it to all connections";
        return Err(Failure::new(FailureKind::Timeout, message).into());
    }
    if !options.fail_if.is_empty() && summary.generator_limited {
        anyhow::bail!("the client was the bottleneck, so that the result says little");
    }
    anyhow::ensure!(failures.is_empty(), "{} of --fail-if hold", failures.len());
    Ok(())
}

/// Fails if a file of the result cannot be written: before a test, which may take long.
fn ensure_writable(options: &Bench) -> Result<(), Failure> {
    for file in [&options.json, &options.svg, &options.percentiles].into_iter().flatten() {
        // An earlier result stays until there is another.
        let opened = OpenOptions::new().append(true).create(true).open(file);
        opened
            .map_err(|error| Failure::usage(format!("cannot write {}: {error}", file.display())))?;
    }
    Ok(())
}

/// Writes the files that the flags request.
fn write_files(options: &Bench, summary: &Summary, report: &LatencyReport) -> anyhow::Result<()> {
    if let Some(file) = &options.json {
        write(file, &summary.json()?)?;
    }
    if let Some(file) = &options.svg {
        write(file, &plot::svg(report))?;
    }
    if let Some(file) = &options.percentiles {
        write(file, &percentiles::table(&report.counts.response))?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
