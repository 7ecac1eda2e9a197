//! Fan-out: one connection sends and all receive. Each delivery is checked, and the next message is
//! sent when an earlier one has reached every connection.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Instant;

use crate::connection::{Connection, read_buffer};
use crate::connector;
use crate::error::LoadError;
use crate::exchange::Exchange;
use crate::limits::MAX_WAIT;
use crate::load::Load;
use crate::measurement::PhasedRun;
use crate::message_cycle::MessageCycle;
use crate::poller::Poller;
use crate::progress::ProgressReporter;
use crate::report::LoadReport;
use crate::transport::Transport;

/// Index of the connection that sends; it receives as well.
const PUBLISHER: usize = 0;

/// Publishes until the counted time is over. Each delivery counts as a message.
pub(super) fn run(
    load: &Load,
    progress: &mut ProgressReporter<'_>,
) -> Result<LoadReport, LoadError> {
    let cycle = MessageCycle::prepare(load, load.in_flight);
    let mut poller = Poller::new()?;
    let mut subscribers: Vec<Connection> = Vec::with_capacity(load.connections);
    for (index, mut transport) in connector::open_all(load, progress)?.into_iter().enumerate() {
        confirm_subscription(&mut transport).map_err(|error| error.on(index))?;
        let exchange = Exchange::new(load, &cycle, 0);
        subscribers.push(Connection::register(&poller, index, transport, exchange)?);
    }
    let mut deliveries = Deliveries::new(subscribers.len());

    let mut run = PhasedRun::begin(load)?;
    let mut buffer = read_buffer();
    let mut due = load.in_flight;
    loop {
        if due > 0 {
            deliveries.publish(due);
            let sent = subscribers[PUBLISHER].send(&cycle, due as u64);
            sent.map_err(|error| error.on(PUBLISHER))?;
        }
        poller.wait(MAX_WAIT)?;
        let now = Instant::now();
        progress.update(now, || run.progress(subscribers.len(), now));
        if run.advance(now, poller.is_idle())? {
            return run.finish();
        }
        due = 0;
        for readiness in poller.events() {
            let index = readiness.index;
            let subscriber = &mut subscribers[index];
            let received = subscriber.receive(&cycle, &mut buffer, readiness);
            let delivered = received.map_err(|error| error.on(index))?;
            if delivered > 0 {
                due += deliveries.deliver(index, delivered, &mut run);
            }
            subscriber.resume(&cycle, readiness).map_err(|error| error.on(index))?;
        }
    }
}

/// Waits until the server answers a ping, which shows that the server reads from this connection
/// and so has subscribed it.
pub(crate) fn confirm_subscription(transport: &mut Transport<TcpStream>) -> Result<(), LoadError> {
    const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
    const PONG: [u8; 2] = [0x8a, 0];
    transport.write_all(&PING)?;
    transport.flush()?;
    let mut answer = [0; 2];
    transport.read_exact(&mut answer)?;
    if answer == PONG { Ok(()) } else { Err(LoadError::NoPong { answer }) }
}

/// A message that has not reached every connection.
struct Published {
    sent_at: Instant,
    /// Number of connections that have not received it.
    missing: usize,
}

/// The number of deliveries to each connection.
struct Deliveries {
    /// Number of messages that each connection has received.
    received: Vec<u64>,
    /// Number of messages that every connection has received.
    complete: u64,
    /// The messages after those, which some connections have not received.
    published: VecDeque<Published>,
}

impl Deliveries {
    fn new(connections: usize) -> Self {
        Self { received: vec![0; connections], complete: 0, published: VecDeque::new() }
    }

    fn publish(&mut self, messages: usize) {
        let published = || Published { sent_at: Instant::now(), missing: self.received.len() };
        self.published.extend(std::iter::repeat_with(published).take(messages));
    }

    /// Counts `messages` deliveries to connection `index`, and returns the number of messages that
    /// have thereby reached every connection.
    fn deliver(&mut self, index: usize, messages: u64, run: &mut PhasedRun) -> usize {
        let now = Instant::now();
        for _ in 0..messages {
            let place = usize::try_from(self.received[index] - self.complete).unwrap_or(usize::MAX);
            self.received[index] += 1;
            // The cycle's check ensures that only published messages are delivered.
            if let Some(published) = self.published.get_mut(place) {
                published.missing -= 1;
                run.record(published.sent_at, now, 1);
            }
        }
        let complete = self.published.iter().take_while(|published| published.missing == 0).count();
        self.published.drain(..complete);
        self.complete += complete as u64;
        complete
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::SocketAddr;

    #[test]
    fn a_message_is_complete_when_the_last_connection_has_it() {
        let load = Load::new(SocketAddr::from(([127, 0, 0, 1], 80)));
        let mut run = PhasedRun::begin(&load).unwrap();
        let mut deliveries = Deliveries::new(3);
        deliveries.publish(2);
        assert_eq!(deliveries.deliver(0, 2, &mut run), 0);
        assert_eq!(deliveries.deliver(1, 1, &mut run), 0);
        assert_eq!(deliveries.deliver(2, 2, &mut run), 1);
        deliveries.publish(1);
        assert_eq!(deliveries.deliver(1, 1, &mut run), 1);
        assert_eq!(deliveries.deliver(0, 1, &mut run), 0);
        assert_eq!((deliveries.complete, deliveries.published.len()), (2, 1));
        assert_eq!(deliveries.published[0].missing, 2);
    }
}
