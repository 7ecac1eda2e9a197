//! Input that came together with what filled the output: it waits, so that nobody who reads loses an answer.

use super::{Delivery, Link, LinkState, WorkerContext};
use crate::push::Handler;

/// Input, decrypted, that the connection has not handled yet. It is at most what a backend takes from a socket in one turn.
pub(super) struct Backlog {
    bytes: Vec<u8>,
    /// How much of it was handled.
    handled: usize,
}

impl<S: Delivery> Link<S> {
    /// Whether input is there that waits until output is written. Until then no more is received.
    #[inline]
    pub(crate) const fn has_backlog(&self) -> bool {
        self.backlog.is_some()
    }

    #[cold]
    pub(super) fn add_to_backlog(&mut self, input: &[u8]) {
        match &mut self.backlog {
            Some(backlog) => backlog.bytes.extend_from_slice(input),
            None => self.backlog = Some(Box::new(Backlog { bytes: input.to_vec(), handled: 0 })),
        }
    }

    /// How much input waits, in bytes.
    pub(super) fn backlog_len(&self) -> usize {
        self.backlog.as_ref().map_or(0, |backlog| backlog.bytes.len())
    }

    /// Goes on with the input that waited.
    #[cold]
    pub(crate) fn receive_backlog<H: Handler>(&mut self, context: &mut WorkerContext<H>) {
        let Some(mut backlog) = self.backlog.take() else { return };
        let _span = super::is_traced().then(|| self.span());
        let LinkState::Open(connection) = &mut self.state else { return };
        connection.writer.get_or_insert_with(|| context.lend());
        let input = &mut backlog.bytes[backlog.handled..];
        let received = connection.receive(&mut context.handler, input);
        if let Some(writer) = &mut connection.writer {
            // This input is not the one that the caller will settle.
            writer.end_input(input);
        }
        match received {
            Ok(0) if connection.protocol.is_mid_message() => self.charge(context),
            Ok(0) => {}
            Ok(left) => {
                backlog.handled = backlog.bytes.len() - left;
                self.backlog = Some(backlog);
            }
            Err(stop) => self.finish_connection(context, *stop),
        }
    }

    /// Whether as much output waits as may, and the transport was not tried since.
    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        !self.blocked && matches!(&self.state, LinkState::Open(connection) if connection.is_full())
    }
}
