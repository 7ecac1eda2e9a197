//! The state machine of a session.

mod program;
mod receive;
mod transmit;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;

use super::control::{Control, ControlQueue};
use super::datagrams::DatagramQueue;
use super::frame::Frame;
use super::liveness::{Due, Liveness};
use super::receiving::GrowthPool;
use super::record::{self, RecordDecoder};
use super::scheduler::Scheduler;
use super::session_window::{SessionCredit, SessionWindow};
use super::streams::{Closed, Streams};
use super::{
    Config, Direction, DroppedDatagrams, ErrorCode, Framing, StreamId, TransportParameters,
    Violation,
};
use crate::Role;

/// Time for which a session whose program has dropped everything still sends what was written.
const LINGER: Duration = Duration::from_secs(30);

/// One end of a session: streams and datagrams over one connection.
///
/// # Driving it
/// After each call, the driver sends the records that [`poll_transmit`](Self::poll_transmit)
/// returns, while the transport takes them, and handles the events of
/// [`poll_event`](Self::poll_event). It passes each record that arrives to
/// [`handle_record`](Self::handle_record), also while the program reads nothing: the windows bound
/// what is kept. Times are those since any fixed origin.
///
/// ```text
///          write, finish, reset ──► streams ──► scheduler ──┐
///                 send_datagram ──► queue ──────────────────┼─► poll_transmit ──► transport
///                                   control frames owed ────┘
///    read, accept, read_datagram ◄── streams ◄── checks ◄── handle_record ◄────── transport
/// ```
#[derive(Debug)]
pub struct Multiplexer {
    config: Config,
    framing: Framing,
    /// The peer's transport parameters, once they have arrived.
    peer: Option<TransportParameters>,
    streams: Streams,
    scheduler: Scheduler,
    control: ControlQueue,
    credit: SessionCredit,
    window: SessionWindow,
    growth: GrowthPool,
    outgoing: DatagramQueue,
    incoming: DatagramQueue,
    /// Length of the data that waits in the streams to be sent, in bytes.
    unsent: usize,
    liveness: Liveness,
    /// The first record, until it is sent.
    first: Option<Bytes>,
    /// The last record, until it is sent.
    last: Option<Bytes>,
    end: Option<SessionEnd>,
    /// Whether the data that had arrived was dropped.
    is_over_budget: bool,
    /// The time at which the session ends, after the program has dropped everything.
    linger_until: Option<Duration>,
    events: VecDeque<Event>,
}

/// The reason why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SessionEnd {
    /// This program closed the session.
    Closed,
    /// The peer's program closed the session.
    ClosedByPeer {
        /// The application's code.
        code: u64,
        /// The reason, for people.
        reason: String,
    },
    /// The peer reports that this end broke a rule.
    Refused {
        /// The error code.
        code: ErrorCode,
        /// The reason, for people.
        reason: String,
    },
    /// The peer broke a rule.
    Violation(Violation),
    /// The peer was silent for the idle timeout.
    IdleTimeout,
    /// The peer's transport parameters did not come in time.
    ParametersTimeout,
    /// The transport ended without a close.
    Lost,
    /// The memory budget is used up.
    OverBudget,
}

/// A change that calls of the program may wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A read of the stream may return something else than [`Received::Blocked`].
    ///
    /// [`Received::Blocked`]: super::Received::Blocked
    Readable(StreamId),
    /// A write may take data, or fail, or everything was sent.
    Writable(StreamId),
    /// The peer opened a stream.
    Opened(Direction),
    /// The program may open a stream.
    Available(Direction),
    /// A datagram arrived.
    Datagram,
    /// The session ended.
    Ended,
}

impl Multiplexer {
    /// Creates an end of a session. The role is that of the transport's client or server.
    pub fn new(role: Role, config: Config, framing: Framing, now: Duration) -> Self {
        let mut first = Vec::new();
        Frame::Parameters(config.parameters()).encode(&mut first);
        Self {
            config,
            framing,
            peer: None,
            streams: Streams::new(role, &config),
            scheduler: Scheduler::default(),
            control: ControlQueue::default(),
            credit: SessionCredit::default(),
            window: SessionWindow::new(config.session_window.into()),
            growth: GrowthPool { free: u64::from(config.session_window) / 2 },
            outgoing: DatagramQueue::new(config.datagrams),
            incoming: DatagramQueue::new(config.datagrams),
            unsent: 0,
            liveness: Liveness::new(&config, now),
            first: Some(record::finish(first, framing)),
            last: None,
            end: None,
            is_over_budget: false,
            linger_until: None,
            events: VecDeque::new(),
        }
    }

    /// Returns the decoder for the input of a byte stream.
    pub fn decoder(&self) -> RecordDecoder {
        RecordDecoder::new(self.config.max_record_size.into())
    }

    /// Returns the reason why the session ended; `None` before.
    pub const fn end(&self) -> Option<&SessionEnd> {
        self.end.as_ref()
    }

    /// Returns the numbers of datagrams that were dropped.
    pub const fn dropped_datagrams(&self) -> DroppedDatagrams {
        DroppedDatagrams { outgoing: self.outgoing.dropped(), incoming: self.incoming.dropped() }
    }

    /// Returns the next event. The driver calls this until it returns `None` after each other call
    /// with `&mut self`, since events are kept until then.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Returns the time at which [`handle_timeout`](Self::handle_timeout) has something to do.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let linger = self.linger_until.unwrap_or(Duration::MAX);
        let at = self.liveness.poll_timeout().min(linger);
        (self.end.is_none() && at < Duration::MAX).then_some(at)
    }

    /// Sends a ping, or ends a session whose peer is silent.
    pub fn handle_timeout(&mut self, now: Duration) {
        if self.end.is_some() {
            return;
        }
        if self.linger_until.is_some_and(|at| at <= now) {
            self.close(0, "");
            return;
        }
        match self.liveness.handle_timeout(now) {
            Due::Nothing => {}
            Due::Ping => self.control.push(Control::Ping),
            Due::IdleTimeout => self.finish(SessionEnd::IdleTimeout),
            Due::ParametersTimeout => self.finish(SessionEnd::ParametersTimeout),
        }
    }

    /// Records that the transport has ended.
    pub fn on_transport_ended(&mut self) {
        if self.end.is_none() {
            self.finish(SessionEnd::Lost);
        }
    }

    /// Ends the session because the peer broke a rule, and notifies the peer.
    pub fn fail(&mut self, violation: Violation) {
        self.abort(violation.code(), violation.to_string(), SessionEnd::Violation(violation));
    }

    /// Returns the length of the data and datagrams that wait to be sent or read, in bytes. The
    /// session itself and the headers of its streams are not counted.
    pub fn memory(&self) -> usize {
        let unread = usize::try_from(self.window.unread()).unwrap_or(usize::MAX);
        let datagrams = self.outgoing.size() + self.incoming.size();
        unread.saturating_add(self.unsent + datagrams)
    }

    /// Ends the session because the program's memory budget is used up, notifies the peer, and drops
    /// all data, also that which has arrived: [`memory`](Self::memory) is 0 from then on.
    pub fn exceed_budget(&mut self) {
        let reason = "the memory budget is used up".to_owned();
        self.abort(ErrorCode::INTERNAL_ERROR, reason, SessionEnd::OverBudget);
        self.is_over_budget = true;
        self.incoming.clear();
        for stream in self.streams.iter_mut() {
            if let Some(recv) = &mut stream.recv {
                self.window.on_read(recv.clear() as u64);
            }
        }
    }

    /// Ends the session, unless it has ended, and notifies the peer of an error.
    fn abort(&mut self, code: ErrorCode, reason: String, end: SessionEnd) {
        if self.end.is_none() {
            self.last = Some(self.encode(&Frame::ConnectionClose { code, reason }));
            self.finish(end);
        }
    }

    /// Ends the session. Data that has arrived can still be read; data that was not sent is dropped.
    fn finish(&mut self, end: SessionEnd) {
        self.end = Some(end);
        self.control.clear();
        self.outgoing.clear();
        self.unsent = 0;
        for stream in self.streams.iter_mut() {
            if let Some(send) = &mut stream.send {
                send.clear();
            }
        }
        self.events.push_back(Event::Ended);
    }

    #[cfg(test)]
    pub(super) fn open_streams(&self) -> usize {
        self.streams.len()
    }

    #[cfg(test)]
    pub(super) fn blocked_streams(&self) -> usize {
        self.scheduler.blocked()
    }

    #[cfg(test)]
    pub(super) fn send_memory(&mut self, id: StreamId) -> usize {
        self.streams.send_half(id).map_or(0, |half| half.memory())
    }

    fn encode(&self, frame: &Frame) -> Bytes {
        let mut bytes = Vec::new();
        frame.encode(&mut bytes);
        record::finish(bytes, self.framing)
    }

    fn push_event(&mut self, event: Event) {
        if self.events.back() != Some(&event) {
            self.events.push_back(event);
        }
    }

    /// Counts data that has arrived.
    fn on_received(&mut self, length: u64) -> Result<(), Violation> {
        self.window.on_received(length)?;
        self.update_window();
        Ok(())
    }

    /// Counts data that was read or discarded.
    fn on_read(&mut self, length: usize) {
        self.window.on_read(length as u64);
        self.update_window();
    }

    fn update_window(&mut self) {
        if self.window.needs_update() {
            self.control.push(Control::MaxData);
        }
    }

    /// Closes a stream if nothing is left to do for it.
    fn close_stream(&mut self, id: StreamId) {
        if let Some(recv) = self.streams.recv_half(id).filter(|recv| recv.is_done()) {
            recv.shrink(&mut self.growth);
        }
        if let Closed::PeerStream = self.streams.close(id) {
            self.control.push(Control::MaxStreams(id.direction()));
        }
    }
}
