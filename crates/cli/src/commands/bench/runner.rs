//! The tests of a run, one after the other, with their progress.

use std::io::IsTerminal as _;
use std::time::Duration;

use sockeye_load::{LatencyReport, LatencyTest, LoadError};

use super::arguments::Bench;
use super::display::Display;
use super::interval_log::IntervalLog;
use super::keys::Keys;
use super::stop::Stop;
use super::target::Target;
use crate::client::Failure;
use crate::terminal::takes_escapes;

/// Interval of the reports while a test runs.
const INTERVAL: Duration = Duration::from_secs(1);

/// The settings of all tests of a run, and where their progress goes.
pub(super) struct Runner<'a> {
    pub(super) options: &'a Bench,
    /// `true` if the progress can be drawn over.
    is_terminal: bool,
    stop: Stop,
    /// `None` where there is no terminal to read keys from.
    keys: Option<Keys>,
    log: Option<IntervalLog>,
}

impl<'a> Runner<'a> {
    /// Prepares the tests: from here on, Ctrl-C ends the test that runs, which has a result.
    ///
    /// # Errors
    /// A usage failure if the log cannot be written.
    pub(super) fn new(options: &'a Bench) -> anyhow::Result<Self> {
        let stop = Stop::listen()?;
        let log = options.hdr.as_deref().map(IntervalLog::create).transpose()?;
        let is_terminal = std::io::stderr().is_terminal() && takes_escapes();
        let shows_panes = !options.quiet && is_terminal;
        let keys = if shows_panes { Keys::listen(&stop) } else { None };
        Ok(Self { options, is_terminal, stop, keys, log })
    }

    /// Runs one test of this duration at this rate.
    pub(super) fn measure(
        &mut self,
        target: &Target,
        duration: Duration,
        rate: Option<u64>,
    ) -> anyhow::Result<LatencyReport> {
        self.attempt(target, duration, rate)?.map_err(|error| target.explain(error).into())
    }

    /// Runs one test as [`Self::measure`] does. The inner error is that of the test.
    pub(super) fn attempt(
        &mut self,
        target: &Target,
        duration: Duration,
        rate: Option<u64>,
    ) -> anyhow::Result<Result<LatencyReport, LoadError>> {
        let options = self.options;
        let (is_terminal, keys) = (self.is_terminal, self.keys.as_ref());
        let mut display =
            (!options.quiet).then(|| Display::new(is_terminal, options, target, duration, keys));
        let log = &mut self.log;
        let test = test(options, target, duration, rate).stop_when(self.stop.flag());
        let result = test.run(INTERVAL, |progress| {
            if let Some(display) = &mut display {
                display.update(progress);
            }
            if let Some(log) = log {
                log.add(progress);
            }
        });
        if let Some(display) = display {
            display.finish();
        }
        if let (Ok(_), Some(log)) = (&result, &mut self.log) {
            log.finish()?;
        }
        Ok(result)
    }

    /// Fails if the user has ended the run early.
    pub(super) fn ensure_not_stopped(&self) -> Result<(), Failure> {
        if self.stop.is_requested() { Err(Failure::interrupted("interrupted")) } else { Ok(()) }
    }
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
