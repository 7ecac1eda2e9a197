use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use bytes::Bytes;
use sockeye_proto::{CloseFrame, Event, Input, Message, MessageCow, ProtocolError};

use crate::Error;
use crate::push::{Connection, Handler};

/// Result of a step of a connection. The box keeps the usual `Ok` small and cheap to drop.
pub(super) type Flow = Result<(), Box<EndReason>>;

/// The reason for the end of a connection.
pub(super) enum EndReason {
    /// The closing handshake is done.
    Closed(Option<CloseFrame>),
    Failed(Error),
    /// The handler aborted the connection.
    Aborted,
    /// A callback panicked.
    Panicked(Panic),
}

/// Payload of a callback's panic.
pub(super) type Panic = Box<dyn Any + Send>;

/// Calls the handler and returns a panic, which ends the current connection and no other. Callbacks
/// receive connections in a consistent state and cannot interrupt their code, so that only the
/// handler's state may be left half updated.
#[inline]
pub(super) fn call<T>(callback: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(callback))
}

impl From<Panic> for Box<EndReason> {
    #[cold]
    fn from(panic: Panic) -> Self {
        Self::new(EndReason::Panicked(panic))
    }
}

impl Connection {
    /// Calls the handler for the input, until all of it is handled or unwritten output reaches its
    /// limit. Returns how many bytes at the end of the input are still to be handled.
    #[inline]
    pub(super) fn receive<H: Handler>(
        &mut self,
        handler: &mut H,
        input: &mut [u8],
    ) -> Result<usize, Box<EndReason>> {
        self.writer.get_or_insert_default().begin_input(input);
        let mut input = Input::new(input);
        loop {
            let writer = self.writer.get_or_insert_default();
            match self.protocol.receive(&mut input, writer.output.buffer()) {
                Ok(Some(Event::Message(MessageCow::Borrowed(message)))) => {
                    writer.counts.count_received(message.kind(), message.as_bytes().len());
                    call(|| handler.message(self, message))?;
                    if self.actions.is_abort() {
                        return Err(EndReason::Aborted.into());
                    }
                    // The usual end, without polling for one more event.
                    if input.is_empty() {
                        return Ok(0);
                    }
                }
                Ok(None) => return Ok(0),
                other => self.take(handler, other)?,
            }
            if self.is_full() && !input.is_empty() {
                return Ok(input.len());
            }
        }
    }

    /// Calls the handler for one event.
    pub(super) fn take<H: Handler>(
        &mut self,
        handler: &mut H,
        event: Result<Option<Event<'_>>, ProtocolError>,
    ) -> Flow {
        match event {
            // Messages arrive in pieces only on request, and the handler server makes none.
            Ok(None | Some(Event::Begin(_) | Event::Piece(_) | Event::End)) => {}
            Ok(Some(Event::Message(MessageCow::Borrowed(message)))) => {
                let writer = self.writer.get_or_insert_default();
                writer.counts.count_received(message.kind(), message.as_bytes().len());
                call(|| handler.message(self, message))?;
            }
            Ok(Some(Event::Message(MessageCow::Owned(message)))) => {
                self.assembled(handler, &message)?;
            }
            Ok(Some(Event::Frame(header))) => call(|| handler.frame(self, &header))?,
            Ok(Some(Event::Ping(payload))) => call(|| handler.ping(self, &payload))?,
            Ok(Some(Event::Pong(payload))) => {
                let answered = self.protocol.handle_pong(&payload, Instant::now());
                if let (true, Some(rtt)) = (answered, self.rtt()) {
                    self.metrics.role_metrics().record_rtt(rtt.last());
                }
                call(|| handler.pong(self, &payload))?;
            }
            Ok(Some(Event::Close { frame, mid_message: false })) => {
                return Err(EndReason::Closed(frame).into());
            }
            Ok(Some(Event::Close { frame, mid_message: true })) => {
                return Err(EndReason::Failed(Error::ClosedMidMessage(frame)).into());
            }
            Err(error) => return Err(EndReason::Failed(error.into()).into()),
        }
        if self.actions.is_abort() { Err(EndReason::Aborted.into()) } else { Ok(()) }
    }

    /// Handles a message that was assembled from pieces: if the handler sends its payload, no copy
    /// is needed.
    fn assembled<H: Handler>(&mut self, handler: &mut H, message: &Message) -> Flow {
        let payload = message.clone().into_bytes();
        let writer = self.writer.get_or_insert_default();
        writer.counts.count_received(message.kind(), message.len());
        writer.set_assembled(payload);
        let called = call(|| handler.message(self, message.as_ref()));
        if let Some(writer) = &mut self.writer {
            writer.set_assembled(Bytes::new());
        }
        Ok(called?)
    }
}
