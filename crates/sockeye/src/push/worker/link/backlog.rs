//! Input that was read together with the input whose replies filled the output. It waits, so that a
//! peer that reads loses no reply.

use super::{Link, LinkSocket, LinkState, WorkerContext};
use crate::push::{Connection, Handler};

/// Decrypted input that the connection has not handled yet: at most what a backend reads from a
/// socket in one turn.
#[derive(Default)]
pub(in crate::push) struct Backlog {
    bytes: Vec<u8>,
    /// Number of bytes that were handled.
    handled: usize,
}

impl Connection {
    pub(super) fn add_to_backlog(&mut self, input: &[u8]) {
        self.backlog_mut().get_or_insert_default().bytes.extend_from_slice(input);
    }

    /// Returns the size of the waiting input, in bytes.
    pub(super) fn backlog_len(&self) -> usize {
        self.backlog().map_or(0, |backlog| backlog.bytes.len())
    }
}

impl<S: LinkSocket> Link<S> {
    /// Returns whether input waits until output is written. Until then no more input is received.
    #[inline]
    pub(crate) fn has_backlog(&self) -> bool {
        matches!(&self.state, LinkState::Open(connection) if connection.backlog().is_some())
    }

    #[cfg(feature = "tls")]
    #[cold]
    pub(super) fn add_to_backlog(&mut self, input: &[u8]) {
        if let LinkState::Open(connection) = &mut self.state {
            connection.add_to_backlog(input);
        }
    }

    /// Handles the input that waited.
    #[cold]
    pub(crate) fn receive_backlog<H: Handler>(&mut self, context: &mut WorkerContext<H>) {
        let _span = super::is_traced().then(|| self.span());
        let LinkState::Open(connection) = &mut self.state else { return };
        let Some(mut backlog) = connection.backlog_mut().take() else { return };
        connection.writer.get_or_insert_with(|| context.lend());
        let input = &mut backlog.bytes[backlog.handled..];
        let received = connection.receive(&mut context.handler, input);
        if let Some(writer) = &mut connection.writer {
            // The caller ends a different input than this one.
            writer.end_input(input);
        }
        match received {
            Ok(0) if connection.protocol.is_mid_message() => self.charge(context),
            Ok(0) => {}
            Ok(left) => {
                backlog.handled = backlog.bytes.len() - left;
                *connection.backlog_mut() = Some(backlog);
            }
            Err(stop) => self.finish_connection(context, *stop),
        }
    }

    /// Returns whether unwritten output has reached its limit, and was not offered to the transport
    /// since.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        !self.blocked && matches!(&self.state, LinkState::Open(connection) if connection.is_full())
    }
}
