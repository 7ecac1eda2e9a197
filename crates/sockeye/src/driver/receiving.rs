use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use sockeye_proto::{Event, Message, State, TimedOut};
use tokio::time::Instant;

use super::{Driver, read};
use crate::error::{Error, Result};

impl Driver {
    /// Returns the next message, or `None` after the closing handshake.
    pub(crate) fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        if !self.streamed.is_idle() {
            ready!(self.poll_skip(cx));
        }
        while !self.ending.has_begun() {
            if self.input.is_empty() {
                match ready!(self.poll_input(cx)) {
                    Ok(Some(message)) => {
                        return Poll::Ready(Ok(Some(self.record_message(message))));
                    }
                    Ok(None) => {}
                    Err(error) => self.fail(error),
                }
                continue;
            }
            match self.connection.receive_bytes(&mut self.input, self.output.buffer()) {
                Ok(Some(Event::Message(message))) => {
                    let message = message.into_owned();
                    return Poll::Ready(Ok(Some(self.record_message(message))));
                }
                Ok(Some(event)) => self.on_event(event),
                Ok(None) => {}
                Err(error) => self.fail(error.into()),
            }
        }
        self.poll_end(cx).map_ok(|()| None)
    }

    /// Records a received message, which is returned.
    #[inline]
    pub(super) fn record_message(&mut self, message: Message) -> Message {
        self.read_timeout.reset();
        self.count_received(message.kind(), message.len());
        message
    }

    /// Waits for more input. A large message is read straight into its own buffer; returns the
    /// message if the read completes it.
    ///
    /// The output is written as far as possible before the read; the deadlines are watched while
    /// waiting.
    #[inline(always)]
    #[expect(
        clippy::inline_always,
        reason = "each wake-up comes here twice: two calls cost some 60 instructions of 2,100"
    )]
    pub(super) fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        if self.has_close_signal() {
            self.poll_close_signal(cx)?;
        }
        self.charge(cx)?;
        // The output is written before every read, not only before a wait, so that a peer that
        // sends without pause receives its pongs. The error of a failed write is returned only once
        // no input is left to read, because the peer may have sent messages before it disconnected.
        let flushed = self.poll_flush_output(cx);
        if let Some(mut space) = self.connection.payload_space() {
            match read::poll_read_into(&mut self.transport, cx, &mut space) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Err(Error::Disconnected)),
                Poll::Ready(Ok(length)) => {
                    self.role_metrics().count_wire_received(length);
                    let event = self.connection.payload_read(length, self.output.buffer())?;
                    return Poll::Ready(Ok(match event {
                        Some(Event::Message(message)) => Some(message.into_owned()),
                        _ => None,
                    }));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(read_error(error))),
                Poll::Pending => {}
            }
        } else {
            match read::poll_read(&mut self.transport, cx) {
                Poll::Ready(Ok(input)) if input.is_empty() => {
                    return Poll::Ready(Err(Error::Disconnected));
                }
                Poll::Ready(Ok(input)) => {
                    self.role_metrics().count_wire_received(input.len());
                    self.input = input;
                    return Poll::Ready(Ok(None));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(read_error(error))),
                Poll::Pending => {}
            }
        }
        if let Poll::Ready(error) = self.poll_writer_failed(cx) {
            return Poll::Ready(Err(error));
        }
        if let Poll::Ready(Err(error)) = flushed {
            return Poll::Ready(Err(error));
        }
        if !self.connection.is_mid_message() {
            self.read_timeout.reset();
        } else if self.read_timeout.poll(cx).is_ready() {
            return Poll::Ready(Err(TimedOut::Reading.into()));
        }
        loop {
            if let Err(timed_out) = ready!(self.poll_timer(cx)) {
                // Writes as much of the close frame for the timeout as the transport accepts at
                // once: the peer may be gone.
                let _ = self.poll_write_output(cx);
                return Poll::Ready(Err(timed_out.into()));
            }
            self.charge(cx)?;
            if let Poll::Ready(Err(error)) = self.poll_flush_output(cx) {
                return Poll::Ready(Err(error));
            }
        }
    }

    /// Handles an event other than a message. Its answer is in the output already.
    pub(super) fn on_event(&mut self, event: Event<'_>) {
        match event {
            Event::Close { frame, mid_message } => {
                self.close_frame = frame.clone().map(Box::new);
                self.record_close(frame.as_ref());
                if mid_message {
                    self.fail(Error::ClosedMidMessage(frame));
                } else if self.connection.state() == State::PeerClosed {
                    self.metrics.on_unanswered_close_received(frame.as_ref());
                } else {
                    self.metrics.on_close_received(frame.as_ref());
                    self.ending.on_closed(frame.as_ref());
                }
            }
            Event::Pong(payload) => {
                self.transport.handle_pong(&payload);
                let answered = self.connection.handle_pong(&payload, Instant::now().into_std());
                if let (true, Some(rtt)) = (answered, self.rtt()) {
                    self.role_metrics().record_rtt(rtt.last());
                }
            }
            _ => {}
        }
    }

    /// Reads and discards the peer's input until the peer has ended its half of the transport, or
    /// the transport has failed.
    pub(super) fn poll_discard(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match read::poll_read(&mut self.transport, cx) {
                Poll::Ready(Ok(input)) if !input.is_empty() => {}
                Poll::Ready(_) => return Poll::Ready(()),
                Poll::Pending => return self.poll_writer_failed(cx).map(drop),
            }
        }
    }

    /// Removes the first `length` bytes from the input. An empty input releases its buffer, which
    /// is shared by all connections of the thread.
    pub(super) fn take_input(&mut self, length: usize) {
        if length == self.input.len() {
            self.input = BytesMut::new();
        } else {
            self.input.advance(length);
        }
    }
}

/// Converts the error of a failed read. TLS reports a stream that ends without the closing alert as
/// an error, which is handled like the end of a plain transport.
pub(crate) fn read_error(error: io::Error) -> Error {
    if error.kind() == io::ErrorKind::UnexpectedEof { Error::Disconnected } else { error.into() }
}
