//! The driver of a connection: moves bytes between the transport and the protocol.
//!
//! ```text
//!               ┌────────────────────────── Driver ─────────────────────────┐
//!               │ input ──► Connection ──► messages, pieces                 │ ──► WebSocket
//!  Transport ◄─►│              │ answers                                    │ ──► split::Receiver
//!               │ output ◄─────┴────────── messages to send                 │ ──► ByteStream
//!               │ timers: the protocol's next deadline, no progress         │
//!               └───────────────────────────────────────────────────────────┘
//! ```
//!
//! [`WebSocket`](crate::WebSocket), [`split::Receiver`](crate::split::Receiver) and
//! [`ByteStream`](crate::ByteStream) are the APIs of a driver. Every wait goes through the driver,
//! which writes the output first and watches all deadlines meanwhile.

mod close_signal;
mod closing;
mod deferred;
mod halves;
pub(crate) mod handler;
mod linger;
pub(crate) mod output;
mod payload;
mod progress_timeout;
pub(crate) mod read;
mod receiving;
mod sending;
mod streamed_message;
mod timer;

use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::BytesMut;
use http::Extensions;
use sockeye_proto::connection::SendingHalf;
use sockeye_proto::{
    CloseFrame, Config, Connection, Kind, MemoryBudget, Role, Rtt, State, TimedOut, UsageError,
};

use crate::drain::registry::Member;
use crate::error::Result;
use crate::metrics::{ConnectionMetrics, RoleMetrics};
use crate::traffic::Traffic;
use crate::transport::Transport;
use close_signal::CloseSignal;
use closing::Ending;
pub(crate) use halves::Half;
use halves::HalfWakers;
use linger::WhenDropped;
use output::AsyncOutput;
pub(crate) use payload::PayloadStatus;
pub(crate) use progress_timeout::{Elapsed, ProgressTimeout};
pub(crate) use receiving::read_error;
use streamed_message::StreamedMessage;
use timer::Timer;

/// An open connection: a transport, the protocol, and the buffers and timers between them.
pub(crate) struct Driver {
    /// Application data attached to the connection, which lives as long as the connection.
    pub(crate) data: Extensions,
    transport: Transport,
    connection: Connection,
    /// Bytes read but not decoded yet, in a buffer shared with the thread's other connections.
    input: BytesMut,
    output: AsyncOutput,
    /// `true` if output was deferred to the handler's task and has not been taken back since.
    output_deferred: bool,
    when_dropped: WhenDropped,
    timer: Timer,
    /// Timeout of a transport that takes no output.
    write_timeout: ProgressTimeout,
    /// Timeout of a message that does not complete.
    read_timeout: ProgressTimeout,
    ending: Ending,
    /// Metrics of the connection, which count it among the open connections.
    metrics: ConnectionMetrics,
    close_signal: Option<CloseSignal>,
    /// Membership in the drain of the server.
    member: Option<Arc<Member>>,
    /// Wakers of the two halves; boxed, since most connections are never polled by halves.
    halves: Option<Box<HalfWakers>>,
    /// The message that is read as a stream, if any.
    streamed: StreamedMessage,
    /// The peer's close frame; boxed, since a connection has none for most of its lifetime.
    close_frame: Option<Box<CloseFrame>>,
    /// Memory budget shared with the other connections of the server.
    budget: Option<MemoryBudget>,
    /// Counts of this connection, if the program wants them.
    traffic: Option<Traffic>,
}

/// The parts of a connection that is converted to frames.
pub(crate) struct FrameParts {
    pub(crate) transport: Transport,
    pub(crate) input: BytesMut,
    pub(crate) output: AsyncOutput,
    pub(crate) role: Role,
    pub(crate) member: Option<Arc<Member>>,
}

/// The parts of a connection that a writer task takes over.
pub(crate) struct WriterParts {
    pub(crate) transport: Transport,
    pub(crate) sending: SendingHalf,
    pub(crate) output: AsyncOutput,
    pub(crate) role_metrics: RoleMetrics,
    /// Timeout of a transport that takes no output.
    pub(crate) write_timeout: ProgressTimeout,
    pub(crate) close_timeout: Duration,
    pub(crate) budget: Option<MemoryBudget>,
    pub(crate) traffic: Option<Traffic>,
}

impl Driver {
    /// Creates a driver after the opening handshake; `input` holds the bytes read beyond the
    /// handshake.
    pub(crate) fn new(transport: Transport, connection: Connection, input: BytesMut) -> Self {
        let role = connection.role();
        let metrics = ConnectionMetrics::begin(role);
        metrics.role_metrics().count_wire_received(input.len());
        Self::with_ending(transport, connection, input, metrics, Ending::new(role))
    }

    fn with_ending(
        transport: Transport,
        connection: Connection,
        input: BytesMut,
        metrics: ConnectionMetrics,
        ending: Ending,
    ) -> Self {
        Self {
            transport,
            connection,
            input,
            output: AsyncOutput::default(),
            output_deferred: false,
            when_dropped: WhenDropped::default(),
            timer: Timer::default(),
            write_timeout: ProgressTimeout::default(),
            read_timeout: ProgressTimeout::default(),
            ending,
            metrics,
            close_signal: None,
            member: None,
            halves: None,
            streamed: StreamedMessage::default(),
            close_frame: None,
            budget: None,
            traffic: None,
            data: Extensions::new(),
        }
    }

    /// Sets the timeouts that the driver enforces on the transport.
    pub(crate) fn set_timeouts(&mut self, config: &Config) {
        self.write_timeout = ProgressTimeout::new(config.write_timeout);
        self.read_timeout = ProgressTimeout::new(config.read_timeout);
    }

    /// Shuts down the local half of the transport as soon as both close frames have passed, even on
    /// a client.
    #[cfg(feature = "http2")]
    pub(crate) fn shut_down_first(&mut self) {
        self.ending.shut_down_first();
    }

    /// Charges the memory of unfinished messages to a budget.
    pub(crate) fn set_budget(&mut self, budget: &MemoryBudget) {
        self.budget = Some(budget.clone());
    }

    /// Returns the peer's close frame; `None` before it arrived, or when it was empty.
    pub(crate) fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.as_deref()
    }

    /// Returns the round-trip time, once a keepalive ping was answered.
    pub(crate) fn rtt(&self) -> Option<Rtt> {
        self.connection.rtt()
    }

    /// Returns whether the connection has ended, and the error that ended it was returned.
    pub(crate) fn is_terminated(&self) -> bool {
        self.ending.is_terminated()
    }

    /// Takes the connection apart, to be converted to frames.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) when a message was received or sent in part,
    /// [`Error::Closed`](crate::Error::Closed) when the closing handshake has begun.
    pub(crate) fn take_frame_parts(&mut self) -> Result<FrameParts> {
        if self.ending.has_begun() || self.connection.state() != State::Open {
            return Err(self.closed_error());
        }
        if !self.streamed.is_idle() || !self.connection.is_between_messages() {
            return Err(UsageError::MessageInProgress.into());
        }
        if self.output_deferred {
            self.take_output_back()?;
        }
        Ok(FrameParts {
            transport: self.transport.take(),
            input: mem::take(&mut self.input),
            output: mem::take(&mut self.output),
            role: self.connection.role(),
            member: self.member.take(),
        })
    }

    /// Splits the connection: moves out what a writer task needs. The caller passes the transport
    /// of the receiving half to [`set_transport`](Self::set_transport).
    pub(crate) fn take_writer_parts(&mut self) -> WriterParts {
        if self.output_deferred {
            // The error of the handler's task is dropped: the writer's first write fails as well.
            let _ = self.take_output_back();
        }
        // The writer ends the connection when the receiver is dropped.
        self.when_dropped = WhenDropped::Drop;
        WriterParts {
            transport: self.transport.take(),
            sending: self.connection.sending_half(),
            output: mem::take(&mut self.output),
            role_metrics: self.role_metrics(),
            write_timeout: mem::take(&mut self.write_timeout),
            close_timeout: self.connection.close_timeout(),
            budget: self.budget.clone(),
            traffic: self.traffic.clone(),
        }
    }

    /// Sets the transport of a split connection's receiving half.
    pub(crate) fn set_transport(&mut self, transport: Transport) {
        self.transport = transport;
    }

    /// Leaves the close frame, and its metrics, to the send queue of a split connection.
    pub(crate) fn leave_close_to_queue(&mut self) {
        self.ending.closes_by_queue = true;
        self.metrics.skip_close();
    }

    /// Records that the send queue of a split connection has sent the close frame. Returns whether
    /// that is new.
    pub(crate) fn on_close_sent_by_queue(&mut self) -> bool {
        self.connection.state() == State::Open
            && self.connection.close(None, &mut Vec::new()).is_ok()
    }

    /// Handles the next deadline once it has passed.
    fn poll_timer(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), TimedOut>> {
        self.timer.poll(cx, &mut self.connection, &self.transport, &mut self.output)
    }

    /// Returns the counts of the connection, which begin with the first call.
    pub(crate) fn traffic(&mut self) -> Traffic {
        self.traffic.get_or_insert_default().clone()
    }

    /// Counts a received message.
    #[inline]
    fn count_received(&self, kind: Kind, length: usize) {
        self.role_metrics().count_received(kind, length);
        if let Some(traffic) = &self.traffic {
            traffic.count_received(length);
        }
    }

    /// Counts a message in the output, whose frames are `wire` bytes.
    #[inline]
    fn count_sent(&self, kind: Kind, length: usize, wire: usize) {
        self.role_metrics().count_sent(kind, length, wire);
        if let Some(traffic) = &self.traffic {
            traffic.count_sent(length);
        }
    }

    /// Records a close frame in either direction.
    fn record_close(&self, frame: Option<&CloseFrame>) {
        if let Some(traffic) = &self.traffic {
            traffic.record_close(frame);
        }
    }

    /// Returns the metrics that the connection updates.
    #[inline]
    fn role_metrics(&self) -> RoleMetrics {
        self.metrics.role_metrics()
    }
}

#[cfg(test)]
impl Driver {
    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(crate) fn output(&mut self) -> &mut AsyncOutput {
        &mut self.output
    }
}

impl fmt::Debug for Driver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("transport", &self.transport)
            .field("state", &self.connection.state())
            .finish_non_exhaustive()
    }
}
