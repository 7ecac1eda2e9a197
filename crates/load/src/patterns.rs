//! Runs of a load, in a module for each traffic pattern.

use std::time::Duration;

use crate::error::LoadError;
use crate::load::{Load, TrafficPattern};
use crate::progress::{ProgressReporter, RunProgress};
use crate::report::LoadReport;

mod closed_loop;
mod fan_out;
mod idle;
mod open_loop;
#[cfg(feature = "http2")]
mod streams;

pub(crate) use fan_out::confirm_subscription;

impl Load {
    /// Runs the load to its end, on the calling thread.
    ///
    /// # Errors
    ///
    /// A variant of [`LoadError`] that names a setting, before any connection is opened; otherwise
    /// the first error on any connection.
    pub fn run(&self) -> Result<LoadReport, LoadError> {
        self.run_reporting(&mut ProgressReporter::none())
    }

    /// Runs the load as [`run`](Self::run) does, and calls `callback` at once and then each time
    /// that `interval` has passed, a few milliseconds late at most. The load waits during a call.
    ///
    /// # Errors
    ///
    /// The errors of [`run`](Self::run).
    pub fn run_with_progress(
        &self,
        interval: Duration,
        mut callback: impl FnMut(&RunProgress<'_>),
    ) -> Result<LoadReport, LoadError> {
        self.run_reporting(&mut ProgressReporter::new(interval, &mut callback))
    }

    fn run_reporting(&self, progress: &mut ProgressReporter<'_>) -> Result<LoadReport, LoadError> {
        self.check()?;
        #[cfg(feature = "http2")]
        if let Some(streams) = self.streams {
            return streams::run(self, streams, progress);
        }
        match self.pattern {
            TrafficPattern::Echo => closed_loop::run(self, progress),
            TrafficPattern::FanOut => fan_out::run(self, progress),
            TrafficPattern::OpenLoop => open_loop::run(self, progress),
            TrafficPattern::Idle => idle::run(self, progress),
        }
    }
}
