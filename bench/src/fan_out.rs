//! Fan-out: one connection sends and all receive. Each delivery is checked, and the next message is
//! sent when an earlier one has reached every connection.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::time::Instant;

use crate::connection::Connection;
use crate::connector::Connector;
use crate::events::{BATCH, Events, Ready};
use crate::load::{Load, LoadError, READ_SIZE, STALL, WAIT};
use crate::report::{Counts, Report};
use crate::transport::Transport;

/// Index of the connection that sends; it receives as well.
const PUBLISHER: usize = 0;

/// A message that has not reached every connection.
struct Published {
    at: Instant,
    missing: usize,
}

/// Publishes until the counted time is over. Each delivery counts as a message.
pub(crate) fn run(load: &Load) -> Result<Report, LoadError> {
    let cycle = load.cycle(load.in_flight);
    let connector = Connector::new(load)?;
    let events = Events::new()?;
    let mut subscribers: Vec<Connection> = Vec::with_capacity(load.connections);
    for index in 0..load.connections {
        let mut transport = connector.connect().map_err(|error| error.on(index))?;
        confirm(&mut transport).map_err(|error| error.on(index))?;
        let subscriber = load.connection(transport, &cycle, 0);
        events.add(index, &subscriber)?;
        subscribers.push(subscriber);
    }
    let mut audience = Audience::new(subscribers.len());

    let mut counts = Counts::begin(load.server_pid)?;
    audience.publish(load.in_flight);
    subscribers[PUBLISHER].queue(&cycle, load.in_flight as u64);
    events.pump(PUBLISHER, &mut subscribers[PUBLISHER], &cycle)?;
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
        let mut over = 0;
        for Ready { index, readable } in ready.drain(..).map(Ready::from) {
            if readable {
                let received = subscribers[index].receive(&cycle, &mut buffer);
                let deliveries = received.map_err(|error| error.on(index))?;
                if deliveries > 0 {
                    last_reply = now;
                    over += audience.deliver(index, deliveries, &mut counts);
                }
            }
            if subscribers[index].blocked {
                events.pump(index, &mut subscribers[index], &cycle)?;
            }
        }
        if over > 0 {
            audience.publish(over);
            subscribers[PUBLISHER].queue(&cycle, over as u64);
            events.pump(PUBLISHER, &mut subscribers[PUBLISHER], &cycle)?;
        }
    }
}

/// Waits until the server answers a ping, which shows that the server reads from this connection
/// and so has subscribed it.
fn confirm(transport: &mut Transport) -> Result<(), LoadError> {
    const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
    const PONG: [u8; 2] = [0x8a, 0];
    transport.write_all(&PING)?;
    transport.flush()?;
    let mut answer = [0; 2];
    transport.read_exact(&mut answer)?;
    if answer == PONG { Ok(()) } else { Err(LoadError::NoPong { answer }) }
}

/// The number of deliveries to each connection.
struct Audience {
    /// Number of messages that each connection has received.
    received: Vec<u64>,
    /// Number of messages that every connection has received.
    over: u64,
    /// The messages after those, which some connections have not received.
    published: VecDeque<Published>,
}

impl Audience {
    fn new(size: usize) -> Self {
        Self { received: vec![0; size], over: 0, published: VecDeque::new() }
    }

    fn publish(&mut self, messages: usize) {
        let published = || Published { at: Instant::now(), missing: self.received.len() };
        self.published.extend(std::iter::repeat_with(published).take(messages));
    }

    /// Counts `deliveries` messages to connection `index`, and returns the number of messages that
    /// have thereby reached every connection.
    fn deliver(&mut self, index: usize, deliveries: u64, counts: &mut Counts) -> usize {
        let now = Instant::now();
        for _ in 0..deliveries {
            let place = usize::try_from(self.received[index] - self.over).unwrap_or(usize::MAX);
            self.received[index] += 1;
            // The cycle's check ensures that only published messages are delivered.
            if let Some(published) = self.published.get_mut(place) {
                published.missing -= 1;
                counts.reply(published.at, now, 1);
            }
        }
        let over = self.published.iter().take_while(|published| published.missing == 0).count();
        self.published.drain(..over);
        self.over += over as u64;
        over
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_over_when_the_last_has_it() {
        let mut counts = Counts::begin(None).unwrap();
        let mut audience = Audience::new(3);
        audience.publish(2);
        assert_eq!(audience.deliver(0, 2, &mut counts), 0);
        assert_eq!(audience.deliver(1, 1, &mut counts), 0);
        assert_eq!(audience.deliver(2, 2, &mut counts), 1);
        audience.publish(1);
        assert_eq!(audience.deliver(1, 1, &mut counts), 1);
        assert_eq!(audience.deliver(0, 1, &mut counts), 0);
        assert_eq!((audience.over, audience.published.len()), (2, 1));
        assert_eq!(audience.published[0].missing, 2);
    }
}
