//! The commands of other threads, carried out by a connection's driver.

use std::any::Any;

use sockeye_proto::{Message, Prepared};

use super::{BackendSocket, ConnectionDriver, DriverState, End, WorkerContext, is_traced};
use crate::close_payload::ClosePayload;
use crate::metrics::Counts;
use crate::push::Handler;
use crate::push::worker::flow::{EndReason, call};

impl<S: BackendSocket> ConnectionDriver<S> {
    #[inline]
    pub(in crate::push::worker) fn send<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        message: &Message,
    ) {
        if let DriverState::Open(connection) = &mut self.state {
            connection.writer.get_or_insert_with(|| context.lend());
            connection.send_message(message);
        }
    }

    #[inline]
    pub(in crate::push::worker) fn send_prepared<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        prepared: &Prepared,
    ) {
        if let DriverState::Open(connection) = &mut self.state {
            connection.writer.get_or_insert_with(|| context.lend());
            connection.send_prepared(prepared);
        }
    }

    /// Records that commands of handles to send prepared messages of `size` bytes were executed.
    #[inline]
    pub(in crate::push::worker) fn on_prepared_executed(&self, size: usize) {
        if let DriverState::Open(connection) = &self.state {
            connection.on_prepared_executed(size);
        }
    }

    /// Sends messages to an open connection. Sends `frames`, the encoded messages, if this
    /// connection can send them unchanged.
    #[inline]
    pub(in crate::push::worker) fn send_encoded<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        (frames, counts): (&[u8], &Counts),
        messages: &[Prepared],
    ) {
        if let DriverState::Open(connection) = &mut self.state {
            connection.writer.get_or_insert_with(|| context.lend());
            if !connection.send_encoded(frames, counts) {
                for prepared in messages {
                    connection.send_prepared(prepared);
                }
            }
        }
    }

    pub(in crate::push::worker) fn ping<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        payload: &[u8],
    ) {
        if let DriverState::Open(connection) = &mut self.state {
            connection.writer.get_or_insert_with(|| context.lend());
            // The length was checked, and a connection that is closing sends no ping.
            let _ = connection.ping(payload);
        }
    }

    /// Calls the handler with a posted event.
    pub(in crate::push::worker) fn event<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        event: Box<dyn Any + Send>,
    ) {
        let _span = is_traced().then(|| self.span());
        if let DriverState::Open(connection) = &mut self.state {
            connection.writer.get_or_insert_with(|| context.lend());
            let called = call(|| context.handler.event(connection, event));
            // Another event may follow before the turn of this driver ends.
            if let Err(panic) = called {
                self.finish_connection(context, EndReason::Panicked(panic));
            } else if connection.actions.is_abort() {
                self.finish_connection(context, EndReason::Aborted);
            }
        }
    }

    /// Begins the closing handshake, or drops a driver whose connection is not open yet.
    pub(in crate::push::worker) fn close<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        payload: &ClosePayload,
    ) {
        match &mut self.state {
            DriverState::Open(connection) => {
                connection.writer.get_or_insert_with(|| context.lend());
                // The frame was checked, and a connection that is closing sends no second one.
                let _ = connection.begin_close(payload.frame());
            }
            DriverState::Opening(..) => self.end = End::Drop,
            DriverState::Ended(..) => {}
        }
    }

    /// Drops a driver whose connection is not open yet. Returns whether the driver is dropped.
    pub(in crate::push::worker) fn abandon_request(&mut self) -> bool {
        let opening = matches!(self.state, DriverState::Opening(..));
        if opening {
            self.end = End::Drop;
        }
        opening
    }

    pub(in crate::push::worker) fn abort<H: Handler>(&mut self, context: &mut WorkerContext<H>) {
        self.finish_connection(context, EndReason::Aborted);
    }
}
