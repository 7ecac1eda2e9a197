//! One thread of a latency test: sends what is due on its connections, and receives the answers.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::connection::{Opened, TimedConnection};
use super::counts::LatencyCounts;
use super::deliveries::{Deliveries, Delivery};
use super::schedule::Schedule;
use super::stamp::StampedPayload;
use crate::connection::read_buffer;
use crate::error::LoadError;
use crate::limits::MAX_IN_FLIGHT;
use crate::load::Load;
use crate::poller::{Poller, Readiness};
use crate::process;

/// Interval at which a thread hands its counts over, which copies about a megabyte, in nanoseconds.
const HAND_OVER_INTERVAL: u64 = 250_000_000;

/// Time by which a hand-over precedes each whole interval, so that a report which is made then has
/// the counts of its whole interval. Chosen: longer than a thread usually waits for a processor.
const HAND_OVER_LEAD: u64 = 20_000_000;

/// Maximum time for which a thread waits before it looks whether the test is to end.
const MAX_WAIT: u64 = 50_000_000;

/// Maximum number of messages that are sent before the thread reads again.
const MAX_SENDS_PER_TURN: usize = 64;

/// State that all threads of a test share.
#[derive(Debug)]
pub(super) struct Shared {
    /// Counts that threads have handed over and the caller has not taken.
    pub(super) counts: Mutex<LatencyCounts>,
    /// Messages that wait or are in flight, on all threads; 0 in fan-out.
    pub(super) in_flight: AtomicU64,
    /// `true` if a thread has failed, so that the others end.
    pub(super) is_cancelled: AtomicBool,
    /// Set by the caller when the test is to end early, with a result.
    pub(super) stop: Arc<AtomicBool>,
    /// The time at which the first thread has seen that.
    pub(super) stopped_at: OnceLock<u64>,
}

/// The part of the load that all threads know.
#[derive(Clone, Copy, Debug)]
pub(super) struct Task<'a> {
    pub(super) load: &'a Load,
    pub(super) schedule: Schedule,
    /// Messages in flight on each connection.
    pub(super) limit: usize,
    pub(super) is_fan_out: bool,
    /// Timeout of an answer, in nanoseconds.
    pub(super) timeout: u64,
    pub(super) begin: Instant,
    pub(super) shared: &'a Shared,
}

impl Task<'_> {
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A thread and its connections.
pub(super) struct Worker<'a> {
    task: Task<'a>,
    poller: Poller,
    /// Buffer for the events of a turn; empty between turns.
    ready: Vec<Readiness>,
    payload: StampedPayload,
    connections: Vec<TimedConnection>,
    /// Deliveries to each connection of a fan-out.
    deliveries: Vec<Deliveries>,
    /// Index of the first connection of this thread in the test.
    first: usize,
    counts: LatencyCounts,
    /// Time of the next hand-over.
    hand_over_at: u64,
    in_flight: u64,
    /// Value of `in_flight` in the shared sum.
    reported: u64,
    /// Number of the next message that this thread sends by the schedule.
    next: u64,
    client_before: Option<Duration>,
    is_client_measured: bool,
}

impl<'a> Worker<'a> {
    /// Creates a thread with the connections of the test from `first` on.
    pub(super) fn new(
        task: Task<'a>,
        first: usize,
        transports: Vec<Opened>,
    ) -> Result<Self, LoadError> {
        let poller = Poller::new()?;
        let mut connections = Vec::with_capacity(transports.len());
        let length = task.load.length;
        for (index, transport) in transports.into_iter().enumerate() {
            let connection = TimedConnection::register(
                &poller,
                index,
                transport,
                length,
                task.limit,
                !task.is_fan_out,
            );
            connections.push(connection.map_err(|error| LoadError::from(error).on(first + index))?);
        }
        let deliveries = connections.iter().map(|_| Deliveries::default()).collect();
        Ok(Self {
            payload: StampedPayload::new(task.load),
            poller,
            ready: Vec::new(),
            connections,
            deliveries,
            first,
            counts: LatencyCounts::new(),
            hand_over_at: HAND_OVER_INTERVAL - HAND_OVER_LEAD,
            in_flight: 0,
            reported: 0,
            next: 0,
            client_before: None,
            is_client_measured: false,
            task,
        })
    }

    /// Sets the begin of the schedule.
    pub(super) fn starting_at(mut self, begin: Instant) -> Self {
        self.task.begin = begin;
        self
    }

    /// Runs until every message was answered, or until the timeout after the last one.
    pub(super) fn run(mut self) -> Result<(), LoadError> {
        let result = self.run_to_end();
        if result.is_err() {
            self.task.shared.is_cancelled.store(true, Ordering::Relaxed);
        }
        result
    }

    fn run_to_end(&mut self) -> Result<(), LoadError> {
        let mut buffer = read_buffer();
        let end = self.task.schedule.end();
        for index in 0..self.connections.len() {
            if self.connections[index].has_early_data() {
                let readiness =
                    Readiness { index, is_readable: true, is_ended: false, is_writable: false };
                let handled = self.receive_echoes(readiness, &mut buffer);
                handled.map_err(|error| error.on(self.first + index))?;
            }
        }
        if self.task.schedule.is_closed_loop() {
            for index in 0..self.connections.len() {
                for _ in 0..self.task.limit {
                    let now = self.task.now();
                    self.send(index, now, now)?;
                }
            }
        }
        loop {
            let wait = self.send_due()?;
            self.poller.wait_precisely(Duration::from_nanos(wait))?;
            self.receive(&mut buffer)?;
            let now = self.task.now();
            self.update_client(now);
            if now >= self.hand_over_at {
                self.hand_over();
                let late = now - self.hand_over_at;
                self.hand_over_at += HAND_OVER_INTERVAL * (1 + late / HAND_OVER_INTERVAL);
            }
            if self.task.shared.stop.load(Ordering::Relaxed) {
                self.stop(now);
                return Ok(());
            }
            let is_over = now >= end && (self.is_answered() || now >= end + self.task.timeout);
            if is_over || self.task.shared.is_cancelled.load(Ordering::Relaxed) {
                self.finish(now);
                return Ok(());
            }
        }
    }

    /// Sends the messages that are due, and returns the nanoseconds until the next one.
    fn send_due(&mut self) -> Result<u64, LoadError> {
        for _ in 0..MAX_SENDS_PER_TURN {
            let Some((index, due)) = self.next_due() else { return Ok(MAX_WAIT) };
            let now = self.task.now();
            if now < due {
                let next = due.min(self.hand_over_at);
                return Ok(next.saturating_sub(now).min(MAX_WAIT));
            }
            self.next += 1;
            if self.task.schedule.is_counted(due) {
                self.counts.lag.record(Duration::from_nanos(now - due), 1);
            }
            self.send(index, due, now)?;
        }
        Ok(0)
    }

    /// Returns the connection and the due time of the next message of the schedule.
    fn next_due(&self) -> Option<(usize, u64)> {
        let schedule = &self.task.schedule;
        let (index, number) = if self.task.is_fan_out {
            if self.first > 0 {
                return None;
            }
            (0, self.next)
        } else {
            let own = self.connections.len() as u64;
            let index = self.next % own;
            let turns = (self.next / own) * self.task.load.connections as u64;
            (usize::try_from(index).unwrap_or_default(), turns + self.first as u64 + index)
        };
        Some((index, schedule.due(number)?))
    }

    fn send(&mut self, index: usize, due: u64, now: u64) -> Result<(), LoadError> {
        let is_counted = self.task.schedule.is_counted(due);
        self.counts.due += u64::from(is_counted);
        let connection = &mut self.connections[index];
        connection.add(due);
        let waiting = connection.waiting().len();
        if waiting > MAX_IN_FLIGHT / self.task.load.connections {
            return Err(LoadError::Overloaded { waiting });
        }
        if !self.task.is_fan_out {
            self.in_flight += 1;
        }
        let sent = connection.send(&mut self.payload, now);
        sent.map_err(|error| error.on(self.first + index))
    }

    fn receive(&mut self, buffer: &mut [u8]) -> Result<(), LoadError> {
        let mut ready = std::mem::take(&mut self.ready);
        ready.extend(self.poller.events());
        for readiness in ready.drain(..) {
            let index = readiness.index;
            let handled = if self.task.is_fan_out {
                self.receive_deliveries(readiness, buffer)
            } else {
                self.receive_echoes(readiness, buffer)
            };
            handled.map_err(|error| error.on(self.first + index))?;
        }
        self.ready = ready;
        Ok(())
    }

    fn receive_echoes(&mut self, readiness: Readiness, buffer: &mut [u8]) -> Result<(), LoadError> {
        let Self { task, payload, connections, counts, in_flight, .. } = self;
        let connection = &mut connections[readiness.index];
        let schedule = task.schedule;
        let (mut answered, mut answered_at) = (0_usize, 0);
        let clock = || task.now();
        connection.receive(
            readiness,
            buffer,
            payload.op_code(),
            clock,
            |flights, message, now| {
                let flight = TimedConnection::take_flight(flights, payload, message)?;
                (answered, answered_at) = (answered + 1, now);
                *in_flight = in_flight.saturating_sub(1);
                counts.answered_in_time += u64::from(schedule.is_counted(now));
                let due = flight.stamp.due;
                if schedule.is_counted(due) {
                    counts.answered += 1;
                    counts.timed_out += u64::from(now - due > task.timeout);
                    counts.response.record(Duration::from_nanos(now - due), 1);
                    let written = flight.written.unwrap_or(now);
                    counts.service.record(Duration::from_nanos(now.saturating_sub(written)), 1);
                }
                Ok(())
            },
        )?;
        // The next message of a closed loop is due when the last one was answered.
        if schedule.is_closed_loop() && answered_at < schedule.end() {
            for _ in 0..answered {
                connection.add(answered_at);
                *in_flight += 1;
                counts.due += u64::from(schedule.is_counted(answered_at));
            }
        }
        // The answers were read just before: a second reading of the clock would say little more.
        let now = if answered > 0 { answered_at } else { task.now() };
        connection.send(payload, now)?;
        connection.resume(readiness, payload, now)
    }

    fn receive_deliveries(
        &mut self,
        readiness: Readiness,
        buffer: &mut [u8],
    ) -> Result<(), LoadError> {
        let Self { task, payload, connections, deliveries, counts, .. } = self;
        let deliveries = &mut deliveries[readiness.index];
        let connection = &mut connections[readiness.index];
        let published = task.schedule.messages();
        let clock = || task.now();
        connection.receive(readiness, buffer, payload.op_code(), clock, |_, message, now| {
            let wrong = |offset| LoadError::WrongByte { message: deliveries.received, offset };
            let stamp = payload.read(message).map_err(wrong)?;
            if stamp.number >= published {
                return Err(wrong(0));
            }
            let delivery = deliveries.count(stamp.number);
            let is_in_time = delivery != Delivery::Doubled && task.schedule.is_counted(now);
            counts.answered_in_time += u64::from(is_in_time);
            if !task.schedule.is_counted(stamp.due) {
                return Ok(());
            }
            match delivery {
                Delivery::Doubled => {
                    counts.doubled += 1;
                    return Ok(());
                }
                Delivery::Reordered => counts.reordered += 1,
                Delivery::InOrder => {}
            }
            let response = now.saturating_sub(stamp.due);
            deliveries.counted += 1;
            counts.answered += 1;
            counts.timed_out += u64::from(response > task.timeout);
            counts.response.record(Duration::from_nanos(response), 1);
            Ok(())
        })?;
        let now = task.now();
        connection.send(payload, now)?;
        connection.resume(readiness, payload, now)
    }

    fn is_answered(&self) -> bool {
        let published = self.task.schedule.messages();
        if self.task.is_fan_out {
            self.deliveries.iter().all(|deliveries| deliveries.received == published)
        } else {
            self.next_due().is_none() && self.connections.iter().all(TimedConnection::is_idle)
        }
    }

    /// Adds the processor time of this thread since the last call, within the counted time.
    fn measure_client(&mut self) {
        let time = process::thread_time();
        if let Some(before) = self.client_before.replace(time) {
            self.counts.client += time.saturating_sub(before);
        }
    }

    /// Starts to measure the processor time at the end of the warm-up, and stops at the end of the
    /// schedule.
    fn update_client(&mut self, now: u64) {
        let schedule = self.task.schedule;
        if self.client_before.is_none() && now >= schedule.warm_up() {
            self.measure_client();
        }
        if !self.is_client_measured && now >= schedule.end() {
            self.measure_client();
            self.is_client_measured = true;
        }
    }

    fn hand_over(&mut self) {
        if self.client_before.is_some() && !self.is_client_measured {
            self.measure_client();
        }
        let shared = self.task.shared;
        let change = self.in_flight.wrapping_sub(self.reported);
        self.reported = self.in_flight;
        shared.in_flight.fetch_add(change, Ordering::Relaxed);
        shared.counts.lock().unwrap_or_else(PoisonError::into_inner).take(&mut self.counts);
    }

    /// Ends the test early. Messages without an answer do not count.
    fn stop(&mut self, now: u64) {
        let _ = self.task.shared.stopped_at.set(now);
        self.counts.due = self.counts.due.saturating_sub(self.unanswered().count() as u64);
        self.hand_over();
    }

    /// Returns the due times of the counted messages without an answer.
    fn unanswered(&self) -> impl Iterator<Item = u64> {
        let schedule = self.task.schedule;
        self.connections
            .iter()
            .flat_map(|connection| {
                let flights = connection.flights.iter().map(|flight| flight.stamp.due);
                flights.chain(connection.waiting().iter().copied())
            })
            .filter(move |due| schedule.is_counted(*due))
    }

    /// Counts the messages without an answer with the time for which the client has waited.
    fn finish(&mut self, now: u64) {
        let schedule = self.task.schedule;
        let unanswered: Vec<u64> = self.unanswered().collect();
        for due in unanswered {
            self.counts.timed_out += 1;
            self.counts.response.record(Duration::from_nanos(now - due), 1);
        }
        if self.task.is_fan_out {
            let expected = schedule.counted_messages();
            let lost: u64 = self.deliveries.iter().map(|one| expected - one.counted).sum();
            self.counts.lost += lost;
        }
        self.hand_over();
    }
}
