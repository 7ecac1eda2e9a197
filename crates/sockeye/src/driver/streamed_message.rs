//! A message that is received in pieces.

use std::borrow::Cow;
use std::io;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use sockeye_proto::{Event, Input, Kind, Message};

use super::Driver;
use crate::error::Result;

/// The state of a message that is read as a stream.
#[derive(Debug, Default)]
pub(super) struct StreamedMessage {
    pub(super) stage: StreamedStage,
    /// Length of the current piece at the front of the connection's input, in bytes; 0 when it is
    /// in `owned`.
    pub(super) in_input: usize,
    /// The rest of a piece that was decompressed, or of a message that was reassembled.
    owned: Bytes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum StreamedStage {
    /// No message is being read as a stream.
    #[default]
    Idle,
    /// The next message is to be read as a stream, and has not begun.
    Requested,
    /// The message has begun.
    Open(Kind),
    /// The message is complete: nothing follows the current piece.
    Complete(Kind),
}

impl StreamedMessage {
    /// Returns whether whole messages can be received, with no rest of a streamed message left.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.stage == StreamedStage::Idle
    }

    /// Stores a message that arrived before it was requested as a stream.
    pub(super) fn set_whole(&mut self, message: Message) {
        self.stage = StreamedStage::Complete(message.kind());
        self.owned = message.into_bytes();
    }
}

impl Driver {
    /// Returns the kind of the next message once it has begun, or `None` after the closing
    /// handshake. [`poll_fill`](Self::poll_fill) returns its pieces.
    pub(crate) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Kind>>> {
        if self.streamed.stage != StreamedStage::Requested {
            ready!(self.poll_skip(cx));
        }
        if !self.ending.has_begun() {
            self.streamed.stage = StreamedStage::Requested;
            self.connection.stream_messages(true);
            ready!(self.poll_piece(cx));
            self.read_timeout.reset();
            if let StreamedStage::Open(kind) | StreamedStage::Complete(kind) = self.streamed.stage {
                return Poll::Ready(Ok(Some(kind)));
            }
        }
        self.poll_end(cx).map_ok(|()| None)
    }

    /// Skips the rest of a message that was read as a stream, so that the next one is received
    /// whole.
    #[cold]
    pub(super) fn poll_skip(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.connection.stream_messages(false);
        loop {
            self.consume(self.rest().len());
            if !matches!(self.streamed.stage, StreamedStage::Open(_)) || self.ending.has_begun() {
                break;
            }
            ready!(self.poll_piece(cx));
            self.read_timeout.reset();
        }
        self.streamed.stage = StreamedStage::Idle;
        Poll::Ready(())
    }

    /// Receives until the message has begun, a piece of it is available, or the message or the
    /// connection ends. The last piece must have been consumed.
    pub(super) fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        while self.is_receiving() {
            let before = self.input.len();
            let mut input = Input::new(&mut self.input);
            let received = self.connection.receive(&mut input, self.output.buffer());
            let taken = before - input.len();
            let (in_input, received) = match received {
                Ok(Some(Event::Piece(Cow::Borrowed(piece)))) => (piece.len(), Ok(None)),
                other => (0, other.map(|event| event.map(Event::into_owned))),
            };
            // The piece is the end of the consumed bytes.
            self.take_input(taken - in_input);
            if in_input > 0 {
                self.count_part(in_input);
                self.streamed.in_input = in_input;
                return Poll::Ready(());
            }
            match received {
                Ok(Some(Event::Begin(kind))) => {
                    self.streamed.stage = StreamedStage::Open(kind);
                    self.connection.stream_messages(false);
                }
                Ok(Some(Event::Piece(piece))) => {
                    self.count_part(piece.len());
                    self.streamed.owned = piece.into_owned().into();
                }
                Ok(Some(Event::End)) => {
                    if let StreamedStage::Open(kind) = self.streamed.stage {
                        self.streamed.stage = StreamedStage::Complete(kind);
                        // The length of the message was counted with its pieces.
                        self.count_received(kind, 0);
                    }
                }
                Ok(Some(Event::Message(message))) => {
                    let message = self.record_message(message.into_owned());
                    self.streamed.set_whole(message);
                }
                Ok(Some(event)) => {
                    self.on_event(event);
                    continue;
                }
                Ok(None) => match ready!(self.poll_input(cx)) {
                    Ok(Some(message)) => {
                        let message = self.record_message(message);
                        self.streamed.set_whole(message);
                    }
                    Ok(None) => continue,
                    Err(error) => {
                        self.fail(error);
                        continue;
                    }
                },
                Err(error) => {
                    self.fail(error.into());
                    continue;
                }
            }
            break;
        }
        Poll::Ready(())
    }

    /// Waits until a piece of the message that is read as a stream is available, or the message has
    /// ended: then [`rest`](Self::rest) is empty.
    ///
    /// # Errors
    /// The error that ended the connection within the message.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.rest().is_empty() && matches!(self.streamed.stage, StreamedStage::Open(_)) {
            if self.ending.has_begun() {
                ready!(self.poll_end(cx))?;
                // An earlier call returned the error of the connection.
                return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
            }
            ready!(self.poll_piece(cx));
            // The time that the caller takes for this piece must not count against the next one.
            self.read_timeout.reset();
        }
        Poll::Ready(Ok(()))
    }

    fn count_part(&self, length: usize) {
        if let StreamedStage::Open(kind) = self.streamed.stage {
            self.role_metrics().count_received_part(kind, length);
            if let Some(traffic) = &self.traffic {
                traffic.count_received_part(length);
            }
        }
    }

    /// Returns the rest of the current piece.
    pub(crate) fn rest(&self) -> &[u8] {
        match self.streamed.in_input {
            0 => &self.streamed.owned,
            length => &self.input[..length],
        }
    }

    /// Consumes the first `length` bytes of the current piece.
    pub(crate) fn consume(&mut self, length: usize) {
        if self.streamed.in_input == 0 {
            self.streamed.owned.advance(length);
        } else {
            self.streamed.in_input -= length;
            self.take_input(length);
        }
    }
}
