//! One connection of a latency test: the messages that wait to be written, and those in flight.

use std::collections::VecDeque;
use std::io;
use std::net::TcpStream;

use mio::net::TcpStream as NonBlocking;

use super::frame_reader::{FrameReader, Received};
use super::stamp::{Stamp, StampedPayload};
use crate::error::LoadError;
use crate::frame;
use crate::payload::Random;
use crate::poller::{Poller, Readiness};
use crate::transport::{ReadOutcome, Transport};

/// Size of encoded frames that the socket has not taken, in bytes, above which further messages
/// wait unencoded.
const MAX_UNWRITTEN: usize = 256 * 1024;

const PONG: u8 = 0xa;

/// A connection, and the bytes that arrived together with the answer of its opening handshake.
pub(crate) type Opened = (Transport<TcpStream>, Vec<u8>);

/// A message that was encoded and has no answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flight {
    pub(crate) stamp: Stamp,
    /// Position in the connection's output at which the frame ends.
    end: u64,
    /// Time of the write with which the socket had taken all of the frame; `None` before.
    pub(crate) written: Option<u64>,
}

/// A connection that sends messages as they are due. Times are nanoseconds since the test began.
#[derive(Debug)]
pub(crate) struct TimedConnection {
    transport: Transport<NonBlocking>,
    /// Bytes that arrived together with the answer of the opening handshake and were not read.
    early: Vec<u8>,
    reader: FrameReader,
    random: Random,
    /// Encoded frames that the socket has not taken, from `offset` on.
    output: Vec<u8>,
    offset: usize,
    is_blocked: bool,
    /// Bytes that were encoded and that the socket has taken.
    encoded: u64,
    written: u64,
    /// Due times of the messages that wait for a place in flight.
    waiting: VecDeque<u64>,
    /// Maximum number of messages in flight.
    limit: usize,
    pub(crate) flights: VecDeque<Flight>,
    /// Number of the leading flights that the socket has taken.
    taken: usize,
    /// Number of the next message.
    next: u64,
    is_flight_kept: bool,
}

impl TimedConnection {
    /// Makes the socket of connection `index` non-blocking and registers it with `poller`.
    /// `max_length` is the longest message that the server may send. In fan-out, `is_flight_kept`
    /// is `false`: no answer ends a flight.
    pub(crate) fn register(
        poller: &Poller,
        index: usize,
        (transport, early): Opened,
        max_length: usize,
        limit: usize,
        is_flight_kept: bool,
    ) -> io::Result<Self> {
        let mut transport = transport.into_nonblocking()?;
        poller.register(index, transport.socket())?;
        Ok(Self {
            transport,
            early,
            reader: FrameReader::new(max_length),
            random: Random::new(index as u64),
            output: Vec::new(),
            offset: 0,
            is_blocked: false,
            encoded: 0,
            written: 0,
            waiting: VecDeque::new(),
            limit,
            flights: VecDeque::new(),
            taken: 0,
            next: 0,
            is_flight_kept,
        })
    }

    /// Adds a message that was due at `due`.
    pub(crate) fn add(&mut self, due: u64) {
        self.waiting.push_back(due);
    }

    /// Returns the due times of the messages that were never encoded.
    pub(crate) fn waiting(&self) -> &VecDeque<u64> {
        &self.waiting
    }

    /// Returns whether bytes arrived with the answer of the opening handshake and were not read.
    pub(crate) fn has_early_data(&self) -> bool {
        !self.early.is_empty()
    }

    /// Returns whether every message was answered.
    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.flights.is_empty()
    }

    /// Encodes the messages that may be in flight, and writes at `now` as much as the socket takes.
    pub(crate) fn send(&mut self, payload: &mut StampedPayload, now: u64) -> Result<(), LoadError> {
        if self.offset > MAX_UNWRITTEN {
            self.output.drain(..self.offset);
            self.offset = 0;
        }
        while self.flights.len() < self.limit && self.output.len() - self.offset <= MAX_UNWRITTEN {
            let Some(due) = self.waiting.pop_front() else { break };
            let stamp = Stamp { number: self.next, due };
            self.next += 1;
            let before = self.output.len();
            let op_code = payload.op_code();
            let key = self.random.next();
            frame::append_request(&mut self.output, op_code, payload.stamp(stamp), key);
            self.encoded += (self.output.len() - before) as u64;
            if self.is_flight_kept {
                self.flights.push_back(Flight { stamp, end: self.encoded, written: None });
            }
        }
        if !self.is_blocked {
            self.write(now)?;
        }
        Ok(())
    }

    /// Writes the rest of the output if `readiness` says that the socket takes data again.
    pub(crate) fn resume(
        &mut self,
        readiness: Readiness,
        payload: &mut StampedPayload,
        now: u64,
    ) -> Result<(), LoadError> {
        if self.is_blocked && readiness.is_writable {
            self.is_blocked = false;
            self.send(payload, now)?;
        }
        Ok(())
    }

    fn write(&mut self, now: u64) -> io::Result<()> {
        self.is_blocked = !self.try_write()?;
        let written = self.written;
        while let Some(flight) = self.flights.get_mut(self.taken) {
            if flight.end > written {
                break;
            }
            flight.written = Some(now);
            self.taken += 1;
        }
        Ok(())
    }

    /// Writes the output as far as the socket takes it. Returns `true` when nothing is left.
    fn try_write(&mut self) -> io::Result<bool> {
        if !self.transport.flush_pending()? {
            return Ok(false);
        }
        while self.offset < self.output.len() {
            let bytes = &self.output[self.offset..];
            let length = bytes.len();
            let written = self.transport.write_available(bytes)?;
            self.offset += written;
            self.written += written as u64;
            if !self.transport.flush_pending()? || written < length {
                return Ok(false);
            }
        }
        self.output.clear();
        self.offset = 0;
        Ok(true)
    }

    /// Removes the oldest flight, which `received` has answered, and checks the echo.
    pub(crate) fn take_flight(
        flights: &mut VecDeque<Flight>,
        payload: &mut StampedPayload,
        received: &[u8],
    ) -> Result<Flight, LoadError> {
        let Some(flight) = flights.pop_front() else { return Err(LoadError::EarlyData) };
        let message = flight.stamp.number;
        payload
            .check(flight.stamp, received)
            .map_err(|offset| LoadError::WrongByte { message, offset })?;
        Ok(flight)
    }

    /// Reads until the socket is empty, and calls `handle` with the flights, each message and the
    /// time at which its end was read.
    pub(crate) fn receive(
        &mut self,
        readiness: Readiness,
        buffer: &mut [u8],
        op_code: u8,
        clock: impl Fn() -> u64,
        mut handle: impl FnMut(&mut VecDeque<Flight>, &[u8], u64) -> Result<(), LoadError>,
    ) -> Result<(), LoadError> {
        if !readiness.is_readable {
            return Ok(());
        }
        let Self { transport, early, reader, flights, output, random, taken, encoded, .. } = self;
        let mut read = |bytes: &[u8]| {
            let now = clock();
            reader.read(bytes, |received| match received {
                Received::Message(kind, message) if kind == op_code => {
                    let before = flights.len();
                    handle(flights, message, now)?;
                    *taken = taken.saturating_sub(before - flights.len());
                    Ok(())
                }
                Received::Message(..) => Err(LoadError::WrongByte { message: 0, offset: 0 }),
                Received::Ping(data) if output.len() <= 2 * MAX_UNWRITTEN => {
                    let before = output.len();
                    frame::append_request(output, PONG, data, random.next());
                    *encoded += (output.len() - before) as u64;
                    Ok(())
                }
                // The server reads nothing: RFC 6455 section 5.5.3 allows an endpoint to answer
                // only the latest ping.
                Received::Ping(_) => Ok(()),
            })
        };
        if !early.is_empty() {
            read(&std::mem::take(early))?;
        }
        loop {
            match transport.read_once(buffer)? {
                ReadOutcome::Data { size, has_more } => {
                    read(&buffer[..size])?;
                    if !has_more && !readiness.is_ended {
                        return Ok(());
                    }
                }
                ReadOutcome::End => return Err(LoadError::Closed),
                ReadOutcome::Blocked => return Ok(()),
            }
        }
    }
}
