//! Measurement of a run: its phases, and what is counted in each.

use std::io;
use std::time::{Duration, Instant};

use crate::error::LoadError;
use crate::latency::Latency;
use crate::limits::REPLY_TIMEOUT;
use crate::load::Load;
use crate::process::{self, CpuTime};
use crate::progress::{RunPhase, RunProgress};
use crate::report::LoadReport;

/// The clocks at the beginning or end of a measurement.
#[derive(Debug)]
struct Clocks {
    at: Instant,
    server: Option<CpuTime>,
    client: Option<CpuTime>,
    stolen: Option<Duration>,
}

impl Clocks {
    fn read(server_process: Option<u32>) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: server_process.map(process::cpu_time).transpose()?.flatten(),
            // Some containers hide the processor time.
            client: process::cpu_time(std::process::id()).unwrap_or_default(),
            stolen: process::stolen_time(),
        })
    }
}

/// The counts since a point in time.
#[derive(Debug)]
pub(crate) struct Measurement {
    server_process: Option<u32>,
    begin: Clocks,
    messages: u64,
    latency: Latency,
}

impl Measurement {
    /// Starts to count.
    pub(crate) fn begin(load: &Load) -> io::Result<Self> {
        Self::begin_for(load.server_process)
    }

    fn begin_for(server_process: Option<u32>) -> io::Result<Self> {
        let latency = Latency::new();
        Ok(Self { server_process, begin: Clocks::read(server_process)?, messages: 0, latency })
    }

    /// Counts messages without a latency.
    pub(crate) fn count(&mut self, messages: u64) {
        self.messages += messages;
    }

    /// Ends the measurement and returns the report.
    pub(crate) fn finish(&self) -> Result<LoadReport, LoadError> {
        let end = Clocks::read(self.server_process)?;
        if self.messages == 0 {
            return Err(LoadError::NoReplies);
        }
        let begin = &self.begin;
        let spent = |end: Option<CpuTime>, begin: Option<CpuTime>| Some(end? - begin?);
        Ok(LoadReport {
            elapsed: end.at - begin.at,
            messages: self.messages,
            sent: None,
            latency: (self.latency.messages() > 0).then(|| self.latency.clone()),
            server: spent(end.server, begin.server),
            client: spent(end.client, begin.client),
            stolen: end.stolen.zip(begin.stolen).map(|(end, begin)| end.saturating_sub(begin)),
            memory: None,
        })
    }

    pub(crate) fn progress(
        &self,
        phase: RunPhase,
        connections: usize,
        now: Instant,
    ) -> RunProgress<'_> {
        RunProgress {
            phase,
            connections,
            elapsed: now.saturating_duration_since(self.begin.at),
            messages: self.messages,
            latency: (self.latency.messages() > 0).then_some(&self.latency),
        }
    }
}

/// A closed loop's warm-up and counted time, each measured by itself.
///
/// ```text
/// warm-up ──► counted, at least until a reply has arrived ──► over
///    └── no reply for REPLY_TIMEOUT in either: error
/// ```
#[derive(Debug)]
pub(crate) struct PhasedRun {
    phase: RunPhase,
    end: Instant,
    /// Length of the counted phase.
    duration: Duration,
    measurement: Measurement,
    last_reply: Instant,
}

impl PhasedRun {
    /// Starts the warm-up.
    pub(crate) fn begin(load: &Load) -> io::Result<Self> {
        let measurement = Measurement::begin(load)?;
        let now = Instant::now();
        Ok(Self {
            phase: RunPhase::WarmUp,
            end: now + load.warm_up,
            duration: load.duration,
            measurement,
            last_reply: now,
        })
    }

    /// Counts replies that were complete at `to`, to messages that were queued at `from`.
    pub(crate) fn record(&mut self, from: Instant, to: Instant, replies: u64) {
        self.measurement.count(replies);
        self.measurement.latency.record(to.duration_since(from), replies);
        self.last_reply = to;
    }

    /// Enters the phase that is due at `now`. Returns `true` when the run is over. `is_idle` says
    /// that no event is waiting to be handled, which may be a reply.
    pub(crate) fn advance(&mut self, now: Instant, is_idle: bool) -> Result<bool, LoadError> {
        if now >= self.end {
            if self.phase == RunPhase::WarmUp {
                self.phase = RunPhase::Counted;
                self.measurement = Measurement::begin_for(self.measurement.server_process)?;
                self.end = Instant::now() + self.duration;
            } else if self.measurement.messages > 0 {
                return Ok(true);
            }
        }
        if is_idle && now.saturating_duration_since(self.last_reply) > REPLY_TIMEOUT {
            return Err(LoadError::ReplyTimeout);
        }
        Ok(false)
    }

    /// Ends the run and returns the report.
    pub(crate) fn finish(&self) -> Result<LoadReport, LoadError> {
        self.measurement.finish()
    }

    pub(crate) fn progress(&self, connections: usize, now: Instant) -> RunProgress<'_> {
        self.measurement.progress(self.phase, connections, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    fn load() -> Load {
        Load::new(SocketAddr::from(([127, 0, 0, 1], 80)))
    }

    #[test]
    fn only_replies_of_the_counted_phase_count() {
        let load = load().warm_up(Duration::ZERO).duration(Duration::ZERO);
        let mut run = PhasedRun::begin(&load).unwrap();
        let begin = Instant::now();
        run.record(begin, begin + Duration::from_micros(5), 3);
        assert!(!run.advance(begin, false).unwrap(), "the warm-up is over");
        let later = Instant::now();
        assert!(!run.advance(later, false).unwrap(), "nothing was counted yet");
        run.record(later, later + Duration::from_micros(7), 2);
        assert!(run.advance(Instant::now(), false).unwrap());
        let report = run.finish().unwrap();
        assert_eq!((report.messages, report.latency.unwrap().messages()), (2, 2));
    }

    #[test]
    fn a_run_without_replies_times_out_unless_events_are_waiting() {
        let mut run = PhasedRun::begin(&load()).unwrap();
        let late = Instant::now() + REPLY_TIMEOUT + Duration::from_secs(1);
        assert!(!run.advance(late, false).unwrap());
        assert!(matches!(run.advance(late, true), Err(LoadError::ReplyTimeout)));
        assert!(matches!(run.finish(), Err(LoadError::NoReplies)));
    }

    #[test]
    fn messages_of_an_open_loop_count_without_a_latency() {
        let mut measurement = Measurement::begin(&load()).unwrap();
        measurement.count(7);
        let report = measurement.finish().unwrap();
        assert_eq!(report.messages, 7);
        assert!(report.latency.is_none());
    }
}
