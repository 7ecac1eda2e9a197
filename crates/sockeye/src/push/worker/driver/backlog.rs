//! Input that waits until the output is written: the rest of an input whose first replies filled
//! the output, so that a peer that reads loses no reply, and input that a backend received while
//! output was on its way.

use super::{BackendSocket, ConnectionDriver, DriverState, WorkerContext};
use crate::push::backlog::Backlog;
use crate::push::{Connection, Handler};

impl Connection {
    pub(super) fn add_to_backlog(&mut self, input: &[u8]) {
        self.backlog_mut().get_or_insert_default().bytes.extend_from_slice(input);
    }

    /// Returns the size of the waiting input, in bytes.
    pub(super) fn backlog_len(&self) -> usize {
        self.backlog().map_or(0, |backlog| backlog.bytes.len())
    }
}

impl<S: BackendSocket> ConnectionDriver<S> {
    /// Returns whether input waits until output is written. Until then no more input is received.
    #[inline]
    pub(crate) fn has_backlog(&self) -> bool {
        matches!(&self.state, DriverState::Open(connection) if connection.backlog().is_some())
    }

    /// Returns whether input that follows must wait.
    #[cfg(feature = "tls")]
    #[inline]
    pub(super) fn is_held_back(&self) -> bool {
        let DriverState::Open(connection) = &self.state else { return false };
        self.blocked || connection.backlog().is_some() || connection.is_full()
    }

    /// Adds whole input to the backlog of an open connection.
    #[cfg(any(feature = "tls", all(feature = "io-uring", target_os = "linux")))]
    #[cold]
    pub(super) fn add_to_backlog<H>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        if let DriverState::Open(connection) = &mut self.state {
            let writer = connection.writer.get_or_insert_with(|| context.lend());
            writer.counts.count_wire_received(input.len());
            connection.add_to_backlog(input);
        }
    }

    /// Takes input while the driver is blocked. Input of an open connection is added to the
    /// backlog; a request, and input after the end of a connection, are handled at once, since no
    /// replies accumulate.
    #[cfg(all(feature = "io-uring", target_os = "linux"))]
    #[cold]
    pub(crate) fn receive_blocked<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        input: &mut [u8],
    ) {
        #[cfg(feature = "tls")]
        let is_sealed = self.tls.is_some();
        #[cfg(not(feature = "tls"))]
        let is_sealed = false;
        if self.is_open() && !is_sealed {
            self.add_to_backlog(context, input);
        } else {
            self.receive(context, input);
        }
        self.end_turn(context, input);
        self.charge_unwritten(context);
    }

    /// Handles the input that waited. Returns the handled input if payloads of the output may lie
    /// in it.
    #[cold]
    pub(crate) fn receive_backlog<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
    ) -> Backlog {
        let _span = super::is_traced().then(|| self.span());
        let DriverState::Open(connection) = &mut self.state else { return Backlog::default() };
        let Some(mut backlog) = connection.backlog_mut().take() else { return Backlog::default() };
        connection.writer.get_or_insert_with(|| context.lend());
        let input = &mut backlog.bytes[backlog.handled..];
        match connection.receive(&mut context.handler, input) {
            Ok(0) if connection.protocol.is_mid_message() => self.charge(context),
            Ok(0) => {}
            Ok(left) => {
                if let Some(writer) = &mut connection.writer {
                    writer.end_input(input);
                }
                backlog.handled = backlog.bytes.len() - left;
                *connection.backlog_mut() = Some(backlog);
                return Backlog::default();
            }
            Err(reason) => self.finish_connection(context, *reason),
        }
        #[cfg(feature = "tls")]
        if self.tls.is_some() {
            // Output is encrypted when it is written, without this input.
            if let Some(writer) = self.state.writer() {
                writer.end_input(backlog.input());
            }
            return Backlog::default();
        }
        backlog
    }

    /// Returns whether unwritten output has reached its limit, and was not offered to the transport
    /// since.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        !self.blocked
            && matches!(&self.state, DriverState::Open(connection) if connection.is_full())
    }
}
