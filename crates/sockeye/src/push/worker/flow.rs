use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use bytes::Bytes;
use sockeye_proto::{CloseFrame, Event, Input, Message, MessageCow, ProtocolError};

use crate::Error;
use crate::push::{Connection, Handler};

/// How a connection goes on: mostly it does, which costs neither a look at what there is to drop nor room for it.
pub(super) type Flow = Result<(), Box<Stop>>;

/// Why a connection is over.
pub(super) enum Stop {
    /// The closing handshake is done.
    Closed(Option<CloseFrame>),
    Failed(Error),
    /// The handler wants it dropped.
    Aborted,
    /// A callback panicked.
    Panicked(Panic),
}

/// What a callback panicked with.
pub(super) type Panic = Box<dyn Any + Send>;

/// Calls the handler. A panic is given back: it is the end of the connection at hand, and of no other. As callbacks are given
/// connections that are in order, and cannot interrupt them, only the handler's own state may be left half done.
#[inline]
pub(super) fn call<T>(callback: impl FnOnce() -> T) -> Result<T, Panic> {
    catch_unwind(AssertUnwindSafe(callback))
}

impl From<Panic> for Box<Stop> {
    #[cold]
    fn from(panic: Panic) -> Self {
        Self::new(Stop::Panicked(panic))
    }
}

impl Connection {
    /// Calls the handler for what the input brings, until that is done or as much is unwritten as may be. Returns how many bytes
    /// at the end of the input are still to be handled.
    #[inline]
    pub(super) fn receive<H: Handler>(
        &mut self,
        handler: &mut H,
        input: &mut [u8],
    ) -> Result<usize, Box<Stop>> {
        self.writer.get_or_insert_default().begin_input(input);
        let mut input = Input::new(input);
        loop {
            let writer = self.writer.get_or_insert_default();
            match self.protocol.receive(&mut input, writer.output.buffer()) {
                Ok(Some(Event::Message(MessageCow::Borrowed(message)))) => {
                    writer.counts.count_received(message.kind(), message.as_bytes().len());
                    call(|| handler.message(self, message))?;
                    // The usual end, without asking for one more event.
                    if input.is_empty() && self.requests.is_nothing() {
                        return Ok(0);
                    }
                }
                Ok(None) => return Ok(0),
                other => self.take(handler, other)?,
            }
            if !self.requests.is_nothing() {
                if self.requests.is_abort() {
                    return Err(Stop::Aborted.into());
                }
                if self.requests.is_full() && !input.is_empty() {
                    return Ok(input.len());
                }
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
            // No message is given in pieces unless that is asked for.
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
                return Err(Stop::Closed(frame).into());
            }
            Ok(Some(Event::Close { frame, mid_message: true })) => {
                return Err(Stop::Failed(Error::ClosedMidMessage(frame)).into());
            }
            Err(error) => return Err(Stop::Failed(error.into()).into()),
        }
        if self.requests.is_abort() { Err(Stop::Aborted.into()) } else { Ok(()) }
    }

    /// A message that was put together from pieces: what the handler sends of it need not be copied.
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
