//! Latency at a rate: a schedule that is fixed before the test begins, and times from it.

mod connection;
mod counts;
mod deliveries;
mod frame_reader;
mod schedule;
mod stamp;
mod worker;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

pub use self::counts::LatencyCounts;

use self::connection::Opened;
use self::schedule::Schedule;
use self::worker::{Shared, Task, Worker};
use crate::connector;
use crate::error::LoadError;
use crate::latency::Latency;
use crate::limits::{MAX_DURATION, REPLY_TIMEOUT, STAMP_LENGTH};
use crate::load::{Load, WireProtocol};
use crate::patterns::confirm_subscription;
use crate::progress::RunPhase;

/// A test that sends messages by a schedule, and measures the time from when each was due.
///
/// A client that waits for a slow server before it sends the next message measures the delay once,
/// although every message of a real client would have suffered it. Here, message `n` is due `n /
/// rate` seconds after the begin, whatever the server does, and its response time runs from then.
///
/// Without a [`rate`](Self::rate), the test is a closed loop: a message is due when an earlier one
/// was answered.
#[derive(Clone, Debug)]
pub struct LatencyTest {
    load: Load,
    rate: Option<u64>,
    in_flight: Option<usize>,
    is_fan_out: bool,
    threads: usize,
    timeout: Duration,
    stop: Arc<AtomicBool>,
}

/// State of a latency test in progress.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct LatencyProgress<'a> {
    /// The phase.
    pub phase: RunPhase,
    /// Connections that are open.
    pub connections: usize,
    /// Time since the phase began.
    pub elapsed: Duration,
    /// Time since the last report, over which `tick` was counted.
    pub interval: Duration,
    /// Messages that wait or are in flight; 0 in fan-out.
    pub in_flight: u64,
    /// Counts since the last report.
    pub tick: &'a LatencyCounts,
    /// Counts of all the counted time so far.
    pub total: &'a LatencyCounts,
}

/// The result of a latency test.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LatencyReport {
    /// The counted time, as the schedule has it; shorter if the test was stopped.
    pub duration: Duration,
    /// The part of it in which answers can arrive: without a warm-up, a schedule has no answers in
    /// the time of the shortest response. At least half of the counted time.
    pub answer_time: Duration,
    /// Messages per second that the schedule had; `None` in a closed loop.
    pub offered: Option<f64>,
    /// Number of threads that put the load on the server.
    pub threads: usize,
    /// Number of connections.
    pub connections: usize,
    /// Times of opening a connection: TCP, TLS and the opening handshake.
    pub handshake: Latency,
    /// Counts of the counted time.
    pub counts: LatencyCounts,
    /// Deliveries that a fan-out should have had; `None` in other tests.
    pub expected_deliveries: Option<u64>,
}

impl LatencyReport {
    /// Returns the rate of the answers in the counted time: messages per second, or deliveries of a
    /// fan-out. A server that answers everything after a constant time achieves the rate of the
    /// schedule.
    #[expect(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
    pub fn achieved(&self) -> f64 {
        self.counts.answered_in_time as f64 / self.answer_time.as_secs_f64()
    }
}

impl LatencyTest {
    /// Creates a test with the target, connections, messages and times of `load`. Its rate, number
    /// of messages in flight and traffic pattern are not used.
    pub fn new(load: Load) -> Self {
        let threads = 1;
        let timeout = REPLY_TIMEOUT;
        let stop = Arc::default();
        Self { load, rate: None, in_flight: None, is_fan_out: false, threads, timeout, stop }
    }

    /// Sets the number of messages per second on all connections together, at least 1. By default,
    /// the test is a closed loop.
    pub fn rate(mut self, rate: u64) -> Self {
        self.rate = Some(rate);
        self
    }

    /// Sets the maximum number of messages in flight per connection, at least 1; a message that is
    /// due waits for its place. By default, 1 in a closed loop and no limit otherwise.
    pub fn in_flight(mut self, in_flight: usize) -> Self {
        self.in_flight = Some(in_flight);
        self
    }

    /// Makes the first connection send and all connections receive. Needs a rate, and a length of
    /// at least 32 bytes for the number and the time of each message.
    pub fn fan_out(mut self) -> Self {
        self.is_fan_out = true;
        self
    }

    /// Sets the number of threads, each with its share of the connections. By default 1; never more
    /// than connections.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = threads;
        self
    }

    /// Sets the timeout of an answer. By default 5 s. A later answer counts with its time and as
    /// timed out; the test waits this long for the last answers.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Ends the test early once `stop` is `true`, within about 50 ms. The result is that of the
    /// time so far; messages that have no answer yet do not count.
    pub fn stop_when(mut self, stop: Arc<AtomicBool>) -> Self {
        self.stop = stop;
        self
    }

    /// Checks the settings, as [`run`](Self::run) does first.
    ///
    /// # Errors
    ///
    /// The variants of [`LoadError`] that name a setting.
    pub fn check(&self) -> Result<(), LoadError> {
        self.load.clone().in_flight(self.in_flight.unwrap_or(1)).check()?;
        if self.rate == Some(0) || self.is_fan_out && self.rate.is_none() {
            return Err(LoadError::NoRate);
        }
        if self.is_fan_out && self.load.length < STAMP_LENGTH {
            return Err(LoadError::TooShortForFanOut { length: self.load.length });
        }
        if self.load.deflate.is_some() {
            return Err(LoadError::DeflateInLatencyTest);
        }
        if self.load.protocol == WireProtocol::SocketIo {
            return Err(LoadError::SocketIoInLatencyTest);
        }
        if self.timeout > MAX_DURATION {
            return Err(LoadError::DurationTooLong { duration: self.timeout });
        }
        Ok(())
    }

    /// Runs the test, and calls `callback` each time that `interval` has passed and at the end. The calling thread
    /// opens the connections and puts no load on the server, so a slow callback does not disturb
    /// the test.
    ///
    /// # Errors
    ///
    /// A variant of [`LoadError`] that names a setting, before any connection is opened; otherwise
    /// the first error on any connection.
    pub fn run(
        &self,
        interval: Duration,
        mut callback: impl FnMut(&LatencyProgress<'_>),
    ) -> Result<LatencyReport, LoadError> {
        self.check()?;
        let mut handshake = Latency::new();
        let transports = self.open(&mut handshake, interval, &mut callback)?;
        let schedule = Schedule::new(self.rate, self.load.warm_up, self.load.duration);
        let shared = Shared {
            counts: Mutex::new(LatencyCounts::new()),
            in_flight: AtomicU64::new(0),
            is_cancelled: AtomicBool::new(false),
            stop: Arc::clone(&self.stop),
            stopped_at: OnceLock::new(),
        };
        let limit = self.in_flight.unwrap_or(if self.rate.is_some() { usize::MAX } else { 1 });
        let task = Task {
            load: &self.load,
            schedule,
            limit,
            is_fan_out: self.is_fan_out,
            timeout: u64::try_from(self.timeout.as_nanos()).unwrap_or(u64::MAX),
            begin: Instant::now(),
            shared: &shared,
        };
        let workers = self.workers(task, transports)?;
        let threads = workers.len();
        // The schedule begins when all threads exist.
        let begin = Instant::now();
        let mut total = LatencyCounts::new();
        let mut reported = begin;
        thread::scope(|scope| {
            let (ended, ends) = mpsc::channel();
            let handles: Vec<_> = workers
                .into_iter()
                .map(|worker| {
                    let ended = ended.clone();
                    scope.spawn(move || {
                        let _ended = ended;
                        worker.starting_at(begin).run()
                    })
                })
                .collect();
            drop(ended);
            let mut next = begin + interval;
            // Nothing is ever sent: the channel disconnects when the last thread has ended.
            while ends.recv_timeout(next.saturating_duration_since(Instant::now()))
                == Err::<(), _>(RecvTimeoutError::Timeout)
            {
                next += interval;
                self.report_tick(&shared, begin, &mut reported, &mut total, &mut callback);
            }
            let results = handles.into_iter().map(thread::ScopedJoinHandle::join);
            let results: Vec<_> =
                results.map(|result| result.unwrap_or(Err(LoadError::ThreadPanicked))).collect();
            results.into_iter().collect::<Result<(), _>>()
        })?;
        self.report_tick(&shared, begin, &mut reported, &mut total, &mut callback);
        let duration = match shared.stopped_at.get() {
            None => self.load.duration,
            Some(end) => {
                let counted = Duration::from_nanos(*end).checked_sub(self.load.warm_up);
                let counted = counted.map(|time| time.min(self.load.duration));
                counted.filter(|time| !time.is_zero()).ok_or(LoadError::Stopped)?
            }
        };
        if total.answered == 0 && total.due == 0 {
            return Err(LoadError::NoReplies);
        }
        #[expect(clippy::cast_precision_loss, reason = "no schedule has 2^52 messages")]
        let offered = self.rate.map(|_| total.due as f64 / duration.as_secs_f64());
        let subscribers = self.load.connections as u64;
        // In a closed loop, the last answers are missing by chance as much as the first are late.
        let without_answers = match self.rate {
            Some(_) => total.response.min().saturating_sub(self.load.warm_up).min(duration / 2),
            None => Duration::ZERO,
        };
        Ok(LatencyReport {
            duration,
            answer_time: duration.saturating_sub(without_answers),
            offered,
            threads,
            connections: self.load.connections,
            handshake,
            expected_deliveries: self.is_fan_out.then_some(total.due * subscribers),
            counts: total,
        })
    }

    fn open(
        &self,
        handshake: &mut Latency,
        interval: Duration,
        callback: &mut impl FnMut(&LatencyProgress<'_>),
    ) -> Result<Vec<Opened>, LoadError> {
        let none = LatencyCounts::new();
        let begin = Instant::now();
        let mut next = begin + interval;
        let mut transports = Vec::with_capacity(self.load.connections);
        for index in 0..self.load.connections {
            if self.stop.load(Ordering::Relaxed) {
                return Err(LoadError::Stopped);
            }
            let before = Instant::now();
            let connected = connector::connect(self.load.address).map_err(LoadError::connect);
            let upgraded =
                connected.and_then(|tcp| connector::upgrade_with_early_data(&self.load, tcp));
            let (mut transport, early) = upgraded.map_err(|error| error.on(index))?;
            let now = Instant::now();
            handshake.record(now - before, 1);
            if self.is_fan_out {
                if !early.is_empty() {
                    return Err(LoadError::EarlyData.on(index));
                }
                confirm_subscription(&mut transport).map_err(|error| error.on(index))?;
            }
            transports.push((transport, early));
            if now >= next {
                next = now + interval;
                callback(&LatencyProgress {
                    phase: RunPhase::Opening,
                    connections: transports.len(),
                    elapsed: now - begin,
                    interval,
                    in_flight: 0,
                    tick: &none,
                    total: &none,
                });
            }
        }
        Ok(transports)
    }

    /// Gives each thread an equal share of the connections.
    fn workers<'a>(
        &self,
        task: Task<'a>,
        mut transports: Vec<Opened>,
    ) -> Result<Vec<Worker<'a>>, LoadError> {
        let threads = self.threads.clamp(1, transports.len());
        let mut workers = Vec::with_capacity(threads);
        for thread in 0..threads {
            let share = transports.len().div_ceil(threads - thread);
            let rest = transports.split_off(share);
            let first = self.load.connections - share - rest.len();
            workers.push(Worker::new(task, first, std::mem::replace(&mut transports, rest))?);
        }
        Ok(workers)
    }

    fn report_tick(
        &self,
        shared: &Shared,
        begin: Instant,
        reported: &mut Instant,
        total: &mut LatencyCounts,
        callback: &mut impl FnMut(&LatencyProgress<'_>),
    ) {
        let mut tick = LatencyCounts::new();
        tick.take(&mut shared.counts.lock().unwrap_or_else(PoisonError::into_inner));
        let mut kept = tick.clone();
        total.take(&mut kept);
        let now = Instant::now();
        let interval = now - std::mem::replace(reported, now);
        let elapsed = now - begin;
        let (phase, elapsed) = match elapsed.checked_sub(self.load.warm_up) {
            Some(elapsed) => (RunPhase::Counted, elapsed),
            None => (RunPhase::WarmUp, elapsed),
        };
        callback(&LatencyProgress {
            phase,
            connections: self.load.connections,
            elapsed,
            interval,
            in_flight: shared.in_flight.load(Ordering::Relaxed),
            tick: &tick,
            total,
        });
    }
}
