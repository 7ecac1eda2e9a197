//! Echo in a closed loop: the driver sends one more request for each reply that arrives whole.

use std::time::Instant;

use crate::connection::Connection;
use crate::connector::Connector;
use crate::cycle::Cycle;
use crate::events::{BATCH, Events, Ready};
use crate::in_flight::InFlight;
use crate::load::{Load, LoadError, READ_SIZE, STALL, WAIT};
use crate::report::{Counts, Report};

/// A connection and the times of its messages in flight.
struct Flight {
    connection: Connection,
    in_flight: InFlight,
}

/// Runs the echo load on all connections.
pub(crate) fn run(load: &Load) -> Result<Report, LoadError> {
    let cycle = load.cycle(load.in_flight);
    let connector = Connector::new(load)?;
    let events = Events::new()?;
    let mut flights = Vec::with_capacity(load.connections);
    for index in 0..load.connections {
        let transport = connector.connect().map_err(|error| error.on(index))?;
        // Connections start at different messages, so that neighbours do not send the same at the
        // same time.
        let connection = load.connection(transport, &cycle, index as u64);
        events.add(index, &connection)?;
        flights.push(Flight { connection, in_flight: InFlight::new(load.in_flight) });
    }
    for (index, flight) in flights.iter_mut().enumerate() {
        flight.in_flight = InFlight::new(load.in_flight);
        flight.connection.queue(&cycle, load.in_flight as u64);
        events.pump(index, &mut flight.connection, &cycle)?;
    }

    let mut counts = Counts::begin(load.server_pid)?;
    let mut buffer = vec![0; READ_SIZE];
    let mut ready = Vec::with_capacity(BATCH);
    let mut warm = false;
    let mut end = Instant::now() + load.warm_up;
    let mut last_reply = Instant::now();
    loop {
        events.wait(&mut ready, WAIT)?;
        let now = Instant::now();
        if now >= end && !(warm && counts.is_empty()) {
            if warm {
                return counts.report(load);
            }
            warm = true;
            counts = Counts::begin(load.server_pid)?;
            end = Instant::now() + load.duration;
        }
        if ready.is_empty() && now.duration_since(last_reply) > STALL {
            return Err(LoadError::Stalled);
        }
        for Ready { index, readable } in ready.drain(..).map(Ready::from) {
            let flight = &mut flights[index];
            if readable
                && flight.receive(&cycle, &mut buffer, &mut counts).map_err(|e| e.on(index))?
            {
                last_reply = now;
            }
            events.pump(index, &mut flight.connection, &cycle)?;
        }
    }
}

impl Flight {
    /// Reads once, and queues a request for each reply that is now whole. Returns `true` if there
    /// was one.
    fn receive(
        &mut self,
        cycle: &Cycle,
        buffer: &mut [u8],
        counts: &mut Counts,
    ) -> Result<bool, LoadError> {
        let replies = self.connection.receive(cycle, buffer)?;
        if replies == 0 {
            return Ok(false);
        }
        self.in_flight.replace(replies, Instant::now(), counts);
        self.connection.queue(cycle, replies);
        Ok(true)
    }
}
