//! Echo in an open loop: every connection sends on schedule, regardless of replies.
//!
//! The schedule has one step per millisecond. At each step, each connection sends the messages that
//! are due since the previous step in one write. If a socket does not accept everything, the
//! connection sends the rest when the socket becomes writable and skips the steps until then, as a
//! blocking writer would. The data that the server has not read is thus bounded by the socket
//! buffers.

use std::time::{Duration, Instant};

use crate::connection::{Connection, read_buffer};
use crate::connector;
use crate::error::LoadError;
use crate::exchange::Exchange;
use crate::load::Load;
use crate::measurement::Measurement;
use crate::message_cycle::MessageCycle;
use crate::poller::Poller;
use crate::progress::{ProgressReporter, RunPhase};
use crate::report::LoadReport;

/// Interval at which the messages that are due are sent on all connections. Chosen: at 10,000
/// messages a second, ten on each connection.
const STEP: Duration = Duration::from_millis(1);

/// Maximum number and size of the messages in one write; further messages take another write.
const MAX_MESSAGES_PER_WRITE: usize = 256;
const MAX_WRITE_SIZE: usize = 256 * 1024;

/// Sends during the counted time, without a warm-up.
pub(super) fn run(
    load: &Load,
    progress: &mut ProgressReporter<'_>,
) -> Result<LoadReport, LoadError> {
    let per_write = (MAX_WRITE_SIZE / load.length.max(1)).clamp(1, MAX_MESSAGES_PER_WRITE);
    let cycle = MessageCycle::prepare(load, per_write);
    let mut poller = Poller::new()?;
    let mut connections: Vec<Connection> = Vec::with_capacity(load.connections);
    for (index, transport) in connector::open_all(load, progress)?.into_iter().enumerate() {
        let exchange = Exchange::new(load, &cycle, 0);
        connections.push(Connection::register(&poller, index, transport, exchange)?);
    }

    let mut measurement = Measurement::begin(load)?;
    let mut buffer = read_buffer();
    let begin = Instant::now();
    let mut scheduled = 0;
    let mut next_step = begin + STEP;
    loop {
        poller.wait_precisely(next_step.saturating_duration_since(Instant::now()))?;
        for readiness in poller.events() {
            let index = readiness.index;
            let connection = &mut connections[index];
            let received = connection.receive(&cycle, &mut buffer, readiness);
            measurement.count(received.map_err(|error| error.on(index))?);
            connection.resume(&cycle, readiness).map_err(|error| error.on(index))?;
        }
        let now = Instant::now();
        progress.update(now, || measurement.progress(RunPhase::Counted, connections.len(), now));
        let elapsed = now - begin;
        if elapsed >= load.duration {
            let mut report = measurement.finish()?;
            report.sent = Some(connections.iter().map(|connection| connection.sent(&cycle)).sum());
            return Ok(report);
        }
        if now < next_step {
            continue;
        }
        let due = messages_due(elapsed, load.rate);
        for (index, connection) in connections.iter_mut().enumerate() {
            if !connection.is_blocked() {
                let sent = connection.send(&cycle, due - scheduled);
                sent.map_err(|error| error.on(index))?;
            }
        }
        scheduled = due;
        // A late step does not make the next one early.
        next_step = Instant::now().max(next_step + STEP);
    }
}

/// Returns the number of messages that a connection should have sent after `elapsed`.
fn messages_due(elapsed: Duration, rate: u32) -> u64 {
    let messages = elapsed.as_nanos() * u128::from(rate) / 1_000_000_000;
    u64::try_from(messages).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_exact_however_late_a_step_is() {
        assert_eq!(messages_due(Duration::from_micros(99), 10_000), 0);
        assert_eq!(messages_due(Duration::from_micros(100), 10_000), 1);
        assert_eq!(messages_due(Duration::from_millis(7), 10_000), 70);
        assert_eq!(messages_due(Duration::from_secs(10), 10_000), 100_000);
        assert_eq!(messages_due(Duration::from_secs(1), 3), 3);
    }
}
