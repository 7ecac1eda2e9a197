use std::io::{self, IoSlice};
use std::mem;
use std::os::fd::AsFd as _;

use rustix::net::{self, SendAncillaryBuffer, SendFlags};

use super::buffers::Filled;
use super::files::Stream;
use super::ring::{Ring, Ticket};
use crate::output::{MAX_SLICES, Output};
use crate::push::Handler;
use crate::push::worker::{Delivery, Link, WorkerContext};
use crate::push::writer::Writer;

/// A socket and its operations in progress.
pub(super) struct Socket {
    pub(super) stream: Stream,
    pub(super) receive: Option<Ticket>,
    /// Turn of the ring in which input last arrived.
    received_in: u32,
    /// Set while the last completion of a cancelled receive is still to come.
    cancelled: bool,
    pub(super) send: Option<Ticket>,
    /// Turn of the ring in which the send was submitted.
    sent_in: u32,
    /// Input that arrived while output was on its way for longer than a turn.
    held: Vec<u8>,
    /// End of the peer's half, if it ended meanwhile.
    end: Option<InputEnd>,
    /// Set once the writing half was shut down.
    pub(super) shut_down: bool,
    /// Error for which the socket accepts no more output.
    pub(super) broken: Option<io::Error>,
}

/// The end of the input, with its error if it failed.
type InputEnd = Option<io::Error>;

impl Socket {
    pub(super) fn new(stream: Stream) -> Self {
        Self {
            stream,
            receive: None,
            received_in: 0,
            cancelled: false,
            send: None,
            sent_in: 0,
            held: Vec::new(),
            end: None,
            shut_down: false,
            broken: None,
        }
    }
}

impl Delivery for Socket {
    fn delivery(&self) -> Option<(u64, u64)> {
        crate::tcp_info::delivery(self.stream.socket().as_fd())
    }
}

impl Link<Socket> {
    /// Handles the last completion of a receive. Returns whether the receive brought nothing in
    /// this turn, for want of a buffer.
    #[cold]
    pub(super) fn pause(&mut self, ring: &Ring) -> bool {
        self.socket.receive = None;
        self.socket.cancelled = false;
        self.socket.received_in != ring.turn()
    }

    /// Returns whether input waits until output is sent.
    #[inline]
    fn has_input(&self) -> bool {
        self.has_backlog() || !self.socket.held.is_empty()
    }

    /// Submits a receive, unless input has to wait. There must be no receive in progress.
    #[cold]
    pub(super) fn rearm(&mut self, ring: &mut Ring) {
        if !self.blocked && self.socket.end.is_none() && !self.has_input() {
            self.socket.receive = Some(ring.receive(&self.socket.stream, self.id.into()));
        }
    }

    /// Submits a receive like [`Link::rearm`], but only once, and for no more than a share of the
    /// buffers.
    #[cold]
    pub(super) fn rearm_for_share(&mut self, ring: &mut Ring, share: u32) {
        if !self.blocked && self.socket.end.is_none() && !self.has_input() {
            let Socket { stream, receive, .. } = &mut self.socket;
            *receive = Some(ring.receive_some(stream, self.id.into(), share));
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
        if self.blocked || waits || self.has_input() {
            return self.hold(ring, filled);
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
    fn hold(&mut self, ring: &mut Ring, filled: Filled) {
        self.blocked = true;
        self.socket.held.extend_from_slice(ring.bytes(&filled));
        ring.release(filled);
        if let Some(receive) = self.socket.receive {
            if !mem::replace(&mut self.socket.cancelled, true) {
                ring.cancel(receive);
            }
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
        self.socket.receive = None;
        if self.blocked || self.socket.send.is_some() || self.has_input() {
            // The replies to earlier input are on their way.
            self.socket.end = Some(error);
            return;
        }
        let error = self.socket.broken.take().or(error);
        self.on_transport_end(context, error);
        self.transmit(context, ring);
        self.end_turn(context, &[]);
    }

    /// Updates the link when `unsent` bytes of the submitted output wait for the peer.
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
        let Socket { receive, cancelled, end, .. } = &self.socket;
        if receive.is_none() || *cancelled || end.is_some() || self.has_input() {
            self.resume(context, ring);
        }
    }

    /// Handles input that arrived while output was on its way, until output is on its way again.
    #[cold]
    fn resume<H: Handler>(&mut self, context: &mut WorkerContext<H>, ring: &mut Ring) {
        while self.socket.send.is_none() {
            let mut held = Vec::new();
            if self.has_backlog() {
                self.receive_backlog(context);
            } else if self.socket.held.is_empty() {
                break;
            } else {
                held = mem::take(&mut self.socket.held);
                self.receive(context, &mut held);
            }
            self.transmit_at_once(context, &held);
            self.transmit(context, ring);
            self.end_turn(context, &held);
        }
        if self.has_input() {
            return;
        }
        if let Some(error) = self.socket.end.take() {
            return self.on_input_end(context, ring, error);
        }
        if self.socket.receive.is_none() {
            self.rearm(ring);
        }
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
