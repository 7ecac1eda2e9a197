use std::io::{self, IoSlice};
use std::mem;
use std::net::Shutdown;
use std::os::fd::AsFd as _;

use rustix::net::{self, SendAncillaryBuffer, SendFlags};

use super::buffers::Filled;
use super::files::Stream;
use super::ring::{Ring, Ticket};
use crate::output::{MAX_SLICES, Output};
use crate::push::Handler;
use crate::push::worker::{BackendSocket, ConnectionDriver, WorkerContext};
use crate::push::writer::Writer;

/// A socket and its operations in progress.
pub(super) struct Socket {
    pub(super) stream: Stream,
    pub(super) receiving: Receiving,
    /// Turn of the ring in which input last arrived.
    received_in: u32,
    pub(super) send: Option<Ticket>,
    /// Turn of the ring in which the send was submitted.
    sent_in: u32,
    /// Set once the writing half was shut down.
    shut_down: bool,
    /// Error for which the socket accepts no more output.
    broken: Option<io::Error>,
}

/// The state of a socket's input.
pub(super) enum Receiving {
    /// No receive is in progress.
    Idle,
    Active(Ticket),
    /// The last completion of a cancelled receive is still to come.
    Cancelled(Ticket),
    /// The peer ended its half, or the socket failed, while earlier input waited.
    Ended(InputEnd),
}

impl Receiving {
    /// Returns the receive in progress.
    pub(super) const fn ticket(&self) -> Option<Ticket> {
        match *self {
            Self::Active(ticket) | Self::Cancelled(ticket) => Some(ticket),
            Self::Idle | Self::Ended(_) => None,
        }
    }
}

/// The end of the input, with its error if it failed.
type InputEnd = Option<io::Error>;

impl Socket {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            receiving: Receiving::Idle,
            received_in: 0,
            send: None,
            sent_in: 0,
            shut_down: false,
            broken: None,
        }
    }
}

impl BackendSocket for Socket {
    fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn shut_down(&mut self) {
        if !mem::replace(&mut self.shut_down, true) {
            let _ = self.stream.socket().shutdown(Shutdown::Write);
        }
    }

    fn delivery(&self) -> Option<(u64, u64)> {
        crate::tcp_info::delivery(self.stream.socket().as_fd())
    }
}

impl ConnectionDriver<Socket> {
    /// Handles the last completion of a receive. Returns whether the receive brought nothing in
    /// this turn, for want of a buffer.
    #[cold]
    pub(super) fn pause(&mut self, ring: &Ring) -> bool {
        self.socket.receiving = Receiving::Idle;
        self.socket.received_in != ring.turn()
    }

    /// Submits a receive, unless one is in progress or input has to wait: with a `share`, only once
    /// and for no more than these bytes.
    #[cold]
    pub(super) fn rearm(&mut self, ring: &mut Ring, share: Option<u32>) {
        let is_idle = matches!(self.socket.receiving, Receiving::Idle);
        if is_idle && !self.blocked && !self.has_backlog() {
            let (stream, token) = (&self.socket.stream, self.id.into());
            self.socket.receiving = Receiving::Active(match share {
                None => ring.receive(stream, token),
                Some(length) => ring.receive_some(stream, token, length),
            });
        }
    }

    /// Handles input.
    #[inline]
    pub(super) fn on_received<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        ring: &mut Ring,
        filled: Filled,
    ) {
        self.socket.received_in = ring.turn();
        // A send that the system accepts at once completes before input of the same turn is
        // reported.
        let sending = self.socket.send.is_some();
        let waits = sending && (self.socket.sent_in != ring.turn() || self.is_full());
        if self.blocked || waits || self.has_backlog() {
            return self.hold_received(context, ring, filled);
        }
        self.receive(context, ring.bytes(&filled));
        self.transmit_at_once(context, ring.bytes(&filled));
        self.transmit(context, ring);
        self.end_turn(context, ring.bytes(&filled));
        ring.release(filled);
        if self.has_backlog() {
            self.resume(context, ring);
        }
    }

    /// Holds input until the output is sent, and receives no more of it.
    #[cold]
    fn hold_received<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        ring: &mut Ring,
        filled: Filled,
    ) {
        self.blocked = true;
        self.receive_blocked(context, ring.bytes(&filled));
        ring.release(filled);
        if let Receiving::Active(ticket) = self.socket.receiving {
            self.socket.receiving = Receiving::Cancelled(ticket);
            ring.cancel(ticket);
        }
    }

    /// Handles the end of the input.
    #[cold]
    pub(super) fn on_input_end<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        ring: &mut Ring,
        error: InputEnd,
    ) {
        if self.blocked || self.socket.send.is_some() || self.has_backlog() {
            // The replies to earlier input are on their way.
            self.socket.receiving = Receiving::Ended(error);
            return;
        }
        self.socket.receiving = Receiving::Idle;
        let error = self.socket.broken.take().or(error);
        self.on_transport_end(context, error);
        self.transmit(context, ring);
        self.end_turn(context, &[]);
    }

    /// Updates the driver when `unsent` bytes of the submitted output wait for the peer.
    #[cold]
    pub(super) fn on_send_pending<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        unsent: usize,
        progress: bool,
    ) {
        self.set_in_flight(unsent);
        self.wait_for_send_capacity(context, progress);
    }

    /// Handles the end of a send: all of its output was sent, or it failed.
    #[inline]
    pub(super) fn on_sent<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        ring: &mut Ring,
        writer: Box<Writer>,
        result: io::Result<()>,
    ) {
        self.socket.send = None;
        self.set_in_flight(0);
        self.give_back(context, writer);
        if let Err(error) = result {
            // Input that the peer sent before it disconnected is handled first.
            self.socket.broken.get_or_insert(error);
            self.end_wait();
        }
        self.transmit(context, ring);
        if self.socket.send.is_some() {
            return;
        }
        if self.on_written(context) {
            self.transmit(context, ring);
        }
        self.end_turn(context, &[]);
        if !matches!(self.socket.receiving, Receiving::Active(_)) || self.has_backlog() {
            self.resume(context, ring);
        }
    }

    /// Handles input that arrived while output was on its way, until output is on its way again.
    #[cold]
    fn resume<H: Handler>(&mut self, context: &mut WorkerContext<H>, ring: &mut Ring) {
        while self.socket.send.is_none() && self.has_backlog() {
            let handled = self.receive_backlog(context);
            self.transmit_at_once(context, handled.input());
            self.transmit(context, ring);
            self.end_turn(context, handled.input());
        }
        if self.has_backlog() {
            return;
        }
        if let Receiving::Ended(error) = &mut self.socket.receiving {
            let error = error.take();
            return self.on_input_end(context, ring, error);
        }
        self.rearm(ring, None);
    }

    /// Sends output with long payloads at once, which costs less than letting the payloads leave
    /// the processor's cache until the end of the turn.
    #[inline]
    fn transmit_at_once<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        if matches!(self.output(), (_, Some(output)) if !output.is_contiguous()) {
            self.write_now(context, input);
        }
    }

    /// Sends output without the ring, as much of it as the system accepts, unless a send is in
    /// progress. The rest of payloads that lie in `input` is copied.
    pub(super) fn write_now<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        if self.socket.send.is_some() || self.socket.broken.is_some() {
            return;
        }
        while let (socket, Some(output)) = self.output() {
            if output.is_empty() {
                return;
            }
            let mut slots = [IoSlice::new(&[]); MAX_SLICES];
            let slices = output.slices(input, &mut slots);
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            let mut no_control = SendAncillaryBuffer::default();
            // The send that follows reports the error again.
            let sent =
                net::sendmsg(socket.stream.socket(), slices, &mut no_control, flags).unwrap_or(0);
            if !output.advance(sent) {
                return output.copy_input(input);
            }
            if !self.on_written(context) {
                return;
            }
        }
    }

    /// Submits a send of the output, unless a send is in progress. None of the output may lie in
    /// the input.
    #[inline]
    pub(super) fn transmit<H: Handler>(&mut self, context: &mut WorkerContext<H>, ring: &mut Ring) {
        if self.socket.send.is_some() {
            return;
        }
        let Some(mut writer) = self.take_output(context) else { return };
        if self.socket.broken.is_some() {
            writer.output = Output::default();
            return context.take_back(writer);
        }
        writer.leave_input();
        self.set_in_flight(writer.output.len());
        let socket = &mut self.socket;
        socket.send = Some(ring.send(&socket.stream, self.id.into(), writer));
        socket.sent_in = ring.turn();
    }
}
