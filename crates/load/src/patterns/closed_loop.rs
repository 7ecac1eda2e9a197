//! Echo in a closed loop: the client sends one more request for each reply that arrives whole.

use std::time::Instant;

use crate::connection::{Connection, read_buffer};
use crate::connector;
use crate::error::LoadError;
use crate::exchange::Exchange;
use crate::limits::MAX_WAIT;
use crate::load::Load;
use crate::measurement::PhasedRun;
use crate::message_cycle::MessageCycle;
use crate::poller::{Poller, Readiness};
use crate::progress::ProgressReporter;
use crate::report::LoadReport;
use crate::send_times::SendTimes;

/// A connection and the times of its messages in flight.
struct EchoConnection {
    connection: Connection,
    send_times: SendTimes,
}

/// Runs the echo load on all connections.
pub(super) fn run(
    load: &Load,
    progress: &mut ProgressReporter<'_>,
) -> Result<LoadReport, LoadError> {
    let cycle = MessageCycle::prepare(load, load.in_flight);
    let mut poller = Poller::new()?;
    let mut connections = Vec::with_capacity(load.connections);
    for (index, transport) in connector::open_all(load, progress)?.into_iter().enumerate() {
        // Connections start at different messages, so that neighbours do not send the same at the
        // same time.
        let exchange = Exchange::new(load, &cycle, index as u64);
        connections.push(Connection::register(&poller, index, transport, exchange)?);
    }
    let mut echoes = Vec::with_capacity(connections.len());
    for (index, mut connection) in connections.into_iter().enumerate() {
        let send_times = SendTimes::new(load.in_flight);
        let sent = connection.send(&cycle, load.in_flight as u64);
        sent.map_err(|error| error.on(index))?;
        echoes.push(EchoConnection { connection, send_times });
    }

    let mut run = PhasedRun::begin(load)?;
    let mut buffer = read_buffer();
    loop {
        poller.wait(MAX_WAIT)?;
        let now = Instant::now();
        progress.update(now, || run.progress(echoes.len(), now));
        if run.advance(now, poller.is_idle())? {
            return run.finish();
        }
        for readiness in poller.events() {
            let index = readiness.index;
            let handled = echoes[index].handle(readiness, &cycle, &mut buffer, &mut run);
            handled.map_err(|error| error.on(index))?;
        }
    }
}

impl EchoConnection {
    /// Receives all replies at hand, and sends a request for each.
    fn handle(
        &mut self,
        readiness: Readiness,
        cycle: &MessageCycle,
        buffer: &mut [u8],
        run: &mut PhasedRun,
    ) -> Result<(), LoadError> {
        let replies = self.connection.receive(cycle, buffer, readiness)?;
        if replies > 0 {
            self.send_times.replace(replies, Instant::now(), run);
            self.connection.send(cycle, replies)?;
        }
        self.connection.resume(cycle, readiness)
    }
}
