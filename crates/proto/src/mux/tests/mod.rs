//! Both ends of a session, joined by records that the tests deliver.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod closing;
mod datagrams;
mod flow;
mod limits;
mod model;
mod priorities;
mod records;
mod rules;
mod streams;

use std::time::Duration;

use bytes::Bytes;

use super::{
    Config, Direction, Event, Frame, Framing, Multiplexer, ReceiveError, Received, StreamId,
    Violation,
};
use crate::Role;

const BI: Direction = Direction::Bidirectional;
const UNI: Direction = Direction::Unidirectional;

/// The origin of time.
const START: Duration = Duration::ZERO;

/// A client and a server.
struct Pair {
    client: Multiplexer,
    server: Multiplexer,
    now: Duration,
}

impl Pair {
    /// Creates two ends that know each other's limits.
    fn new(client: Config, server: Config) -> Self {
        let mut pair = Self {
            client: Multiplexer::new(Role::Client, client, Framing::Messages, START),
            server: Multiplexer::new(Role::Server, server, Framing::Messages, START),
            now: START,
        };
        pair.settle();
        pair
    }

    fn with_defaults() -> Self {
        Self::new(Config::new(), Config::new())
    }

    /// Delivers what the client has to send.
    fn deliver_to_server(&mut self) {
        while let Some(record) = self.client.poll_transmit(self.now) {
            self.server.handle_record(record, self.now).unwrap();
        }
    }

    /// Delivers what the server has to send.
    fn deliver_to_client(&mut self) {
        while let Some(record) = self.server.poll_transmit(self.now) {
            self.client.handle_record(record, self.now).unwrap();
        }
    }

    /// Delivers until neither end has anything to send.
    fn settle(&mut self) {
        while self.client.has_output() || self.server.has_output() {
            self.deliver_to_server();
            self.deliver_to_client();
        }
    }

    /// Opens a stream at the client, on which the client has sent `data`, and returns it once the
    /// server has accepted it.
    fn open(&mut self, direction: Direction, data: &[u8]) -> StreamId {
        let id = self.client.open(direction).unwrap();
        assert_eq!(self.client.write(id, data), Ok(data.len()));
        self.settle();
        assert_eq!(self.server.accept(direction), Some(id));
        id
    }
}

/// Creates an end whose peer is a test that has stated these limits.
fn end_with_peer(role: Role, config: Config, peer: Config) -> Multiplexer {
    let mut end = Multiplexer::new(role, config, Framing::Messages, START);
    let mut other = Multiplexer::new(role, peer, Framing::Messages, START);
    end.handle_record(other.poll_transmit(START).unwrap(), START).unwrap();
    end.poll_transmit(START).unwrap();
    while end.poll_event().is_some() {}
    end
}

/// A server with the default limits, whose client is a test.
fn server() -> Multiplexer {
    end_with_peer(Role::Server, Config::new(), Config::new())
}

/// Returns the record of these frames.
fn record<const N: usize>(frames: [Frame; N]) -> Bytes {
    let mut record = Vec::new();
    for frame in frames {
        frame.encode(&mut record);
    }
    record.into()
}

fn stream(id: StreamId, offset: u64, data: &[u8], fin: bool) -> Frame {
    Frame::Stream { id, offset, data: Bytes::copy_from_slice(data), fin }
}

/// Returns the frames of the records that an end has to send.
fn frames(end: &mut Multiplexer) -> Vec<Frame> {
    let mut frames = Vec::new();
    while let Some(mut record) = end.poll_transmit(START) {
        while !record.is_empty() {
            frames.push(Frame::decode(&mut record).unwrap());
        }
    }
    frames
}

/// Reads everything that has arrived.
fn read_all(end: &mut Multiplexer, id: StreamId) -> Vec<u8> {
    let mut data = Vec::new();
    while let Ok(Received::Data(chunk)) = end.read(id, usize::MAX) {
        data.extend_from_slice(&chunk);
    }
    data
}

fn events(end: &mut Multiplexer) -> Vec<Event> {
    std::iter::from_fn(|| end.poll_event()).collect()
}

const fn id(initiator: Role, direction: Direction, index: u64) -> StreamId {
    StreamId::new(initiator, direction, index)
}
