//! `sockeye bench`: measures the latency of a WebSocket server at a rate.
//!
//! ```text
//!  arguments ─► target (URL, TLS) ─► LatencyTest of sockeye-load ─► summary ─► text, JSON, SVG, HDR
//!                                        │            ▲               │
//!                                     progress     search,         criterion
//!                                                 comparison
//! ```

use std::io::IsTerminal as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use sockeye_load::{LatencyReport, LatencyTest};

use self::display::Display;
use self::summary::Summary;
use self::target::Target;

pub(crate) use self::arguments::Bench;

mod arguments;
mod comparison;
mod criterion;
mod display;
mod percentiles;
mod plot;
mod search;
mod summary;
mod target;

/// Interval of the reports while a test runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// Runs the command.
pub(crate) fn run(options: &Bench) -> anyhow::Result<()> {
    let target = Target::resolve(&options.url, options)?;
    if let Some(other) = &options.compare {
        let other = Target::resolve(other, options)?;
        return comparison::run(options, &target, &other);
    }
    if let Some(criterion) = &options.find_max {
        return search::run(options, &target, criterion);
    }
    let report =
        measure(options, &target, &test(options, &target, options.duration, options.rate))?;
    let summary = Summary::new(&target, &report);
    print!("{summary}");
    write_files(options, &summary, &report)?;
    let failures: Vec<_> =
        options.fail_if.iter().filter(|criterion| criterion.holds(&report)).collect();
    for criterion in &failures {
        println!("failed: {criterion} ({})", criterion.actual(&report));
    }
    if !options.fail_if.is_empty() && summary.generator_limited {
        anyhow::bail!("the client was the bottleneck, so that the result says little");
    }
    anyhow::ensure!(failures.is_empty(), "{} of --fail-if hold", failures.len());
    Ok(())
}

/// Returns the test that the flags describe, for `duration` at `rate`.
fn test(options: &Bench, target: &Target, duration: Duration, rate: Option<u64>) -> LatencyTest {
    let load = target.load(options).warm_up(options.warm_up.unwrap_or_default()).duration(duration);
    let mut test = LatencyTest::new(load).timeout(options.timeout).threads(options.threads());
    if let Some(rate) = rate {
        test = test.rate(rate);
    }
    if let Some(in_flight) = options.in_flight {
        test = test.in_flight(in_flight);
    }
    if options.fan_out { test.fan_out() } else { test }
}

/// Runs one test with its progress on standard error.
fn measure(options: &Bench, target: &Target, test: &LatencyTest) -> anyhow::Result<LatencyReport> {
    let is_terminal = std::io::stderr().is_terminal();
    let mut display = (!options.quiet).then(|| Display::new(is_terminal, options, target));
    let result = test.run(INTERVAL, |progress| {
        if let Some(display) = &mut display {
            display.update(progress);
        }
    });
    if let Some(display) = display {
        display.finish();
    }
    result.map_err(|error| target.explain(error).into())
}

/// Writes the files that the flags request.
fn write_files(options: &Bench, summary: &Summary, report: &LatencyReport) -> anyhow::Result<()> {
    if let Some(file) = &options.json {
        write(file, &summary.json()?)?;
    }
    if let Some(file) = &options.svg {
        write(file, &plot::svg(report))?;
    }
    if let Some(file) = &options.hdr {
        write(file, &percentiles::table(&report.counts.response))?;
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))
}
