mod backlog;
mod commands;
mod deadline;
mod ending;
#[cfg(all(feature = "io-uring", target_os = "linux"))]
mod flight;
mod stall;

#[cfg(feature = "tls")]
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use bytes::buf::Limit;
use tracing::level_filters::LevelFilter;
use tracing::span::EnteredSpan;

#[cfg(feature = "tls")]
use super::Settings;
use super::flow::{EndReason, call};
use super::opening::{OpenedConnection, Opening};
use super::{WorkerContext, Writer};
use crate::ErrorChain;
use crate::output::Output;
use crate::push::{Connection, ConnectionId, Handler};
use crate::quota::Entry;
use crate::upgrade::Options;
use deadline::DeadlineStage;
pub(crate) use ending::End;
use ending::Ended;
use stall::Stall;

/// Maximum input, in bytes, that is discarded after a connection has failed, while the peer reads
/// the reason.
const MAX_DISCARDED: usize = 256 * 1024;

/// Returns whether the span of a connection may have a subscriber. Checked before the span is
/// created, because creating, entering and leaving even a disabled span takes 40 instructions for
/// each input.
#[inline]
fn is_traced() -> bool {
    LevelFilter::current() >= LevelFilter::DEBUG
}

/// The driver of one connection: its socket, and its state.
///
/// ```text
///            request complete           close frames exchanged, or failed
///  Opening ───────────────────► Open ────────────────────────────────────► Ended ──► (removed)
///     └── refused ──────────────────────────────────────────────────────────▲   output written,
///                                                                               see `End`
/// ```
pub(crate) struct ConnectionDriver<S> {
    pub(crate) socket: S,
    pub(crate) id: ConnectionId,
    /// Set while the transport does not accept all output; the transport reports when it accepts
    /// more.
    pub(crate) blocked: bool,
    /// Present while output waits for the peer.
    stall: Option<Box<Stall>>,
    /// The way in which the socket is about to end.
    pub(crate) end: End,
    /// Set while the driver is in the worker's list of drivers with new output.
    pub(super) dirty: bool,
    /// Time at which the worker will check the driver's deadline.
    pub(super) watched: Option<Instant>,
    /// Stage in which the deadline was last queried.
    deadline_stage: DeadlineStage,
    state: DriverState,
    /// Entry in the count of connections from the client's address, if the server limits that
    /// count.
    entry: Option<Box<Entry>>,
    #[cfg(feature = "tls")]
    tls: Option<Box<crate::push::tls::TlsSession>>,
}

/// The socket of a backend, as far as a worker needs it.
pub(crate) trait BackendSocket {
    /// Returns whether the socket accepts no more output.
    fn is_broken(&self) -> bool;

    /// Shuts down the writing half. Later calls have no effect.
    fn shut_down(&mut self);

    /// Returns the number of bytes that the peer has acknowledged, and the number of bytes that the
    /// system holds and the peer has not acknowledged. Returns `None` if the socket cannot tell.
    fn delivery(&self) -> Option<(u64, u64)>;
}

enum DriverState {
    Opening(Box<Opening>),
    Open(Box<Connection>),
    Ended(Box<Ended>),
}

impl DriverState {
    #[inline]
    fn writer(&mut self) -> &mut Option<Box<Writer>> {
        match self {
            Self::Open(connection) => &mut connection.writer,
            Self::Opening(opening) => &mut opening.writer,
            Self::Ended(ended) => &mut ended.writer,
        }
    }
}

impl<S: BackendSocket> ConnectionDriver<S> {
    pub(super) fn new(
        socket: S,
        id: ConnectionId,
        peer: SocketAddr,
        entry: Option<Entry>,
        options: &Options,
    ) -> Self {
        let opening = Opening::new(peer, entry.as_ref(), options);
        Self {
            socket,
            id,
            blocked: false,
            stall: None,
            end: End::None,
            dirty: false,
            watched: None,
            deadline_stage: DeadlineStage::Unknown,
            state: DriverState::Opening(Box::new(opening)),
            entry: entry.map(Box::new),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Begins a TLS session, if the server uses TLS and no proxy header comes first.
    #[cfg(feature = "tls")]
    pub(super) fn secure(&mut self, settings: &Settings) -> io::Result<()> {
        if !matches!(&self.state, DriverState::Opening(opening) if opening.awaits_proxy()) {
            self.tls = crate::push::tls::TlsSession::new(settings.tls.as_ref())?;
        }
        Ok(())
    }

    /// Handles input from the socket. There must be no [backlog](Self::has_backlog).
    #[inline]
    pub(crate) fn receive<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &mut [u8]) {
        if is_traced() {
            return self.receive_in_span(context, input);
        }
        self.receive_any(context, input);
    }

    #[cold]
    fn receive_in_span<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &mut [u8]) {
        let _span = self.span();
        self.receive_any(context, input);
    }

    #[inline]
    fn receive_any<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &mut [u8]) {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return self.receive_sealed(context, input);
        }
        self.receive_plain(context, input);
    }

    /// Enters the span in which callbacks run. Each input gets a new span, so that an idle
    /// connection keeps none.
    fn span(&self) -> EnteredSpan {
        tracing::debug_span!("websocket", id = %self.id).entered()
    }

    #[inline]
    fn receive_plain<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &mut [u8]) {
        match &mut self.state {
            DriverState::Open(connection) => {
                let writer = connection.writer.get_or_insert_with(|| context.lend());
                writer.counts.count_wire_received(input.len());
                match connection.receive(&mut context.handler, input) {
                    Ok(0) if connection.protocol.is_mid_message() => self.charge(context),
                    Ok(0) => {}
                    Ok(left) => connection.add_to_backlog(&input[input.len() - left..]),
                    Err(reason) => self.finish_connection(context, *reason),
                }
            }
            DriverState::Opening(opening) if opening.awaits_proxy() => {
                self.receive_proxy_header(context, input);
            }
            DriverState::Opening(opening) => match opening.receive(context, self.id, input) {
                Ok(None) => {}
                Ok(Some(opened)) => self.open(context, opened),
                Err(error) => self.refuse(context, &error),
            },
            DriverState::Ended(ended) => {
                ended.discarded += input.len();
                if ended.discarded > MAX_DISCARDED && !self.blocked {
                    self.end = End::Drop;
                }
            }
        }
    }

    /// Takes input until the proxy header is complete, and handles the input that follows it.
    #[cold]
    fn receive_proxy_header<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        let DriverState::Opening(opening) = &mut self.state else { return };
        let proxy = opening.peer();
        let received = opening.receive_proxy_header(input);
        let mut rest = match received {
            Ok(Some(rest)) => rest,
            Ok(None) => return,
            Err(error) => {
                tracing::debug!(peer = %proxy, error = %ErrorChain(&error), "invalid PROXY header");
                self.end = End::Drop;
                return;
            }
        };
        #[cfg(feature = "tls")]
        if let Err(error) = self.secure(&context.settings) {
            tracing::warn!(error = %ErrorChain(&error), "cannot begin a TLS session");
            self.end = End::Drop;
            return;
        }
        if !rest.is_empty() {
            self.receive_any(context, &mut rest);
            // The caller calls `end_input` only for its own input, which is not `rest`.
            if let Some(writer) = self.state.writer().as_deref_mut() {
                writer.end_input(&rest);
            }
        }
    }

    /// Charges the unfinished message to the memory budget of the server.
    #[cold]
    fn charge<H: Handler>(&mut self, context: &mut WorkerContext<H>) {
        let DriverState::Open(connection) = &mut self.state else { return };
        let writer = connection.writer.get_or_insert_with(|| context.lend());
        let budget = &context.settings.options.memory_budget;
        if let Err(error) = connection.protocol.charge(budget, writer.output.buffer()) {
            return self.fail(context, error.into());
        }
        if let Some(charge) = connection.protocol.message_charge() {
            if charge.needs_waker() {
                charge.wake_by(&context.workers.waker(self.id));
            }
        }
    }

    /// Updates the charges of the connection, and ends the connection if the memory budget has
    /// chosen it.
    pub(super) fn release_memory<H: Handler>(&mut self, context: &mut WorkerContext<H>) {
        if matches!(&self.state, DriverState::Open(connection) if connection.protocol.is_mid_message())
        {
            self.charge(context);
        }
        self.charge_unwritten(context);
    }

    #[cfg(feature = "tls")]
    fn receive_sealed<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        let Some(mut tls) = self.tls.take() else { return };
        let mut plain = std::mem::take(&mut context.plain);
        let mut rest = input;
        let result = loop {
            match tls.open(&mut rest, &mut plain) {
                Ok(Some(length)) if self.is_held_back() => {
                    self.add_to_backlog(context, &plain[..length]);
                }
                Ok(Some(length)) => {
                    self.receive_plain(context, &mut plain[..length]);
                    if let Some(writer) = self.state.writer().as_deref_mut() {
                        tls.seal(&mut writer.output, &plain);
                        writer.end_input(&plain);
                    }
                    if self.is_open() {
                        // Encrypted output still counts as unwritten.
                        self.set_in_flight(tls.output().len());
                    }
                }
                Ok(None) if rest.is_empty() => break Ok(()),
                Ok(None) => {}
                Err(error) => break Err(error),
            }
        };
        context.plain = plain;
        self.tls = Some(tls);
        if let Err(error) = result {
            self.fail(context, error.into());
            // The output contains the TLS alert for the peer.
            self.end = End::Linger;
        }
    }

    fn open<H: Handler>(&mut self, context: &mut WorkerContext<H>, opened: OpenedConnection) {
        let OpenedConnection { connection, flow, mut rest, entry } = opened;
        self.state = DriverState::Open(connection);
        if entry.is_some() {
            self.entry = entry.map(Box::new);
        }
        if let Err(reason) = flow {
            return self.finish_connection(context, *reason);
        }
        if !rest.is_empty() {
            self.receive_plain(context, &mut rest);
            // The caller calls `end_input` only for its own input, which is not `rest`.
            if let Some(writer) = self.state.writer().as_deref_mut() {
                writer.end_input(&rest);
            }
        }
    }

    /// Returns the socket, and the buffer to read into while a large payload is in progress.
    #[inline]
    pub(crate) fn payload_space(&mut self) -> (&mut S, Option<Limit<&mut Vec<u8>>>) {
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            return (&mut self.socket, None);
        }
        let space = match &mut self.state {
            DriverState::Open(connection) => connection.protocol.payload_space(),
            DriverState::Opening(..) | DriverState::Ended(..) => None,
        };
        (&mut self.socket, space)
    }

    /// Handles the `length` bytes that were just read into the payload space.
    pub(crate) fn payload_read<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        length: usize,
    ) {
        let _span = is_traced().then(|| self.span());
        let DriverState::Open(connection) = &mut self.state else { return };
        let writer = connection.writer.get_or_insert_with(|| context.lend());
        writer.counts.count_wire_received(length);
        let event = connection.protocol.payload_read(length, writer.output.buffer());
        let taken = connection.take(&mut context.handler, event);
        if let Err(reason) = taken {
            self.finish_connection(context, *reason);
        } else if connection.protocol.is_mid_message() {
            self.charge(context);
        }
    }

    /// Returns the socket, and the output to be written to it.
    #[inline]
    pub(crate) fn output(&mut self) -> (&mut S, Option<&mut Output>) {
        let writer = self.state.writer().as_deref_mut();
        #[cfg(feature = "tls")]
        if let Some(tls) = &mut self.tls {
            if let Some(writer) = writer {
                // No unwritten payload lies in the input: replies to input were encrypted when the
                // input was handled.
                tls.seal(&mut writer.output, &[]);
            }
            if matches!(self.end, End::Finish | End::Linger) {
                tls.end();
            }
            return (&mut self.socket, Some(tls.output()));
        }
        (&mut self.socket, writer.map(|writer| &mut writer.output))
    }

    /// Updates the driver once the system has accepted all output. Returns whether there is new
    /// output.
    #[inline]
    pub(crate) fn on_written<H: Handler>(&mut self, context: &mut WorkerContext<H>) -> bool {
        let blocked = self.end_wait();
        let connection = match &mut self.state {
            DriverState::Open(connection) => connection,
            DriverState::Opening(_) => return false,
            DriverState::Ended(ended) => {
                ended.in_flight = false;
                return false;
            }
        };
        connection.protocol.handle_written(blocked);
        // If all unwritten output was encrypted, the connection may have no writer.
        let writer = connection.writer.get_or_insert_with(|| context.lend());
        connection.protocol.poll_pending_pong(writer.output.buffer());
        connection.set_in_flight(0);
        if blocked {
            if let Err(panic) = call(|| context.handler.drained(connection)) {
                self.finish_connection(context, EndReason::Panicked(panic));
            }
        }
        let has_output = self.output().1.is_some_and(|output| !output.is_empty());
        if let (false, DriverState::Open(connection)) = (has_output, &self.state) {
            connection.on_all_written();
        }
        has_output
    }

    /// Ends the turn of this driver in the event loop; `input` is about to be reused.
    #[inline]
    pub(crate) fn end_turn<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        if let DriverState::Open(connection) = &self.state {
            if !connection.actions.is_empty() {
                self.apply_actions(context);
            }
        }
        let lent = self.state.writer();
        if let Some(mut writer) = lent.take() {
            writer.end_input(input);
            context.counts.add(&writer.counts.take());
            if writer.output.is_empty() {
                context.take_back(writer);
            } else {
                *lent = Some(writer);
                self.charge_unwritten(context);
            }
        }
    }

    /// Applies the actions that callbacks requested, such as an abort or a new time for the tick.
    #[cold]
    fn apply_actions<H: Handler>(&mut self, context: &mut WorkerContext<H>) {
        let DriverState::Open(connection) = &mut self.state else { return };
        if connection.actions.is_abort() {
            self.finish_connection(context, EndReason::Aborted);
        } else if connection.actions.take_tick_change() {
            self.deadline_stage = DeadlineStage::Unknown;
        }
    }

    /// Returns whether the driver has a connection, which may be closing but is not over.
    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, DriverState::Open(..))
    }

    /// Returns whether the driver is about to end, or its deadline must be queried again.
    #[inline]
    pub(crate) fn is_changed(&self) -> bool {
        self.end != End::None || self.has_new_deadline()
    }
}
