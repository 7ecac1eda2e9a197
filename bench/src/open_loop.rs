//! Echo in an open loop: every connection sends on schedule, regardless of replies.
//!
//! The schedule has one step per millisecond. At each step, each connection sends the messages that
//! are due since the previous step in one write. If a socket does not accept everything, the
//! connection sends the rest when the socket becomes writable and skips the steps until then, as a
//! blocking writer would. The data that the server has not read is thus bounded by the socket
//! buffers.

use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::connector::Connector;
use crate::events::{BATCH, Events, Ready};
use crate::load::{Load, LoadError, READ_SIZE};
use crate::report::{Counts, Report};

const STEP: Duration = Duration::from_millis(1);

/// Maximum number of messages in one write; further messages take another write.
const WINDOW: usize = 256;

/// Sends during the counted time, without a warm-up.
pub(crate) fn run(load: &Load) -> Result<Report, LoadError> {
    let cycle = load.cycle(WINDOW);
    let connector = Connector::new(load)?;
    let events = Events::new()?;
    let mut connections: Vec<Connection> = Vec::with_capacity(load.connections);
    for index in 0..load.connections {
        let transport = connector.connect().map_err(|error| error.on(index))?;
        let connection = load.connection(transport, &cycle, 0);
        events.add(index, &connection)?;
        connections.push(connection);
    }

    let mut counts = Counts::begin(load.server_pid)?;
    let mut buffer = vec![0; READ_SIZE];
    let mut ready = Vec::with_capacity(BATCH);
    let begin = Instant::now();
    let mut scheduled = 0;
    let mut next_step = begin + STEP;
    loop {
        let at_most = next_step.saturating_duration_since(Instant::now());
        events.wait(&mut ready, at_most)?;
        for Ready { index, readable } in ready.drain(..).map(Ready::from) {
            let connection = &mut connections[index];
            if readable {
                let received = connection.receive(&cycle, &mut buffer);
                counts.replies(received.map_err(|error| error.on(index))?);
            }
            if connection.blocked {
                events.pump(index, connection, &cycle)?;
            }
        }
        let elapsed = begin.elapsed();
        if elapsed >= load.duration {
            let mut report = counts.report(load)?;
            report.sent = Some(connections.iter().map(|connection| connection.sent(&cycle)).sum());
            return Ok(report);
        }
        if Instant::now() < next_step {
            continue;
        }
        let due = due(elapsed, load.rate);
        for (index, connection) in connections.iter_mut().enumerate() {
            if !connection.blocked {
                connection.queue(&cycle, due - scheduled);
                events.pump(index, connection, &cycle)?;
            }
        }
        scheduled = due;
        // A late step does not make the next one early.
        next_step = Instant::now().max(next_step + STEP);
    }
}

/// Returns the number of messages that a connection should have sent after `elapsed`.
fn due(elapsed: Duration, rate: u32) -> u64 {
    let messages = elapsed.as_nanos() * u128::from(rate) / 1_000_000_000;
    u64::try_from(messages).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_schedule_is_exact_however_late_a_step_is() {
        assert_eq!(due(Duration::from_micros(99), 10_000), 0);
        assert_eq!(due(Duration::from_micros(100), 10_000), 1);
        assert_eq!(due(Duration::from_millis(7), 10_000), 70);
        assert_eq!(due(Duration::from_secs(10), 10_000), 100_000);
        assert_eq!(due(Duration::from_secs(1), 3), 3);
    }
}
