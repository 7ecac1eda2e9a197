//! Messages that are read and written as byte streams, when they are too long to be in memory at
//! once.

mod reader;
mod writer;

pub use reader::MessageReader;
pub use writer::MessageWriter;

use std::borrow::Cow;
use std::future::poll_fn;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use sockeye_proto::{Event, Input, Kind, Message};

use super::WebSocket;
use crate::error::Result;

/// The state of a message that is read as a stream.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    pub(super) stage: IncomingStage,
    /// Length of the current piece at the front of the connection's input, in bytes; 0 when it is
    /// in `owned`.
    pub(super) in_input: usize,
    /// The rest of a piece that was decompressed, or of a message that was reassembled.
    owned: Bytes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum IncomingStage {
    /// No message is being read as a stream.
    #[default]
    Idle,
    /// The next message is to be read as a stream.
    Wanted,
    /// The message has begun.
    Open(Kind),
    /// The message is complete: nothing follows the current piece.
    Over(Kind),
}

impl Incoming {
    /// Returns whether whole messages can be received, with no rest of a streamed message left.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.stage == IncomingStage::Idle
    }

    /// Stores a message that arrived before it was requested as a stream.
    pub(super) fn set_whole(&mut self, message: Message) {
        self.stage = IncomingStage::Over(message.kind());
        self.owned = message.into_bytes();
    }
}

impl WebSocket {
    /// Returns the next message as a stream, which is read while the message arrives: from its
    /// first frame on, whatever its length. `None` after the closing handshake.
    ///
    /// ```no_run
    /// # async fn example(mut ws: sockeye::WebSocket, mut file: impl tokio::io::AsyncWrite + Unpin) -> sockeye::Result<()> {
    /// if let Some(mut message) = ws.recv_stream().await? {
    ///     tokio::io::copy(&mut message, &mut file).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Config::max_streamed_length`](crate::Config::max_streamed_length()) limits such messages,
    /// not the limit of whole ones. The next call that receives skips the rest of a message that is
    /// not read to its end.
    ///
    /// # Errors
    /// Same as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Nothing is lost. A message that a dropped [`recv`](Self::recv) has received in part
    /// continues as it began: it is reassembled, under the limit of whole messages, and then read
    /// from memory.
    pub async fn recv_stream(&mut self) -> Result<Option<MessageReader<'_>>> {
        let kind = poll_fn(|cx| self.poll_begin(cx)).await?;
        Ok(kind.map(|kind| MessageReader::new(self, kind)))
    }

    /// Begins a message that is written as a stream, in fragments of 64 KiB.
    /// [`MessageWriter::finish`] ends the message. Waits only while the output is full.
    ///
    /// ```no_run
    /// # use sockeye::Kind;
    /// # async fn example(mut ws: sockeye::WebSocket, mut file: impl tokio::io::AsyncRead + Unpin) -> sockeye::Result<()> {
    /// let mut message = ws.send_stream(Kind::Binary).await?;
    /// tokio::io::copy(&mut file, &mut message).await?;
    /// message.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If the future is dropped, no message was begun.
    pub async fn send_stream(&mut self, kind: Kind) -> Result<MessageWriter<'_>> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        self.connection.begin_message(kind)?;
        Ok(MessageWriter::new(self, kind))
    }

    pub(super) fn poll_begin(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Kind>>> {
        if self.incoming.stage != IncomingStage::Wanted {
            ready!(self.poll_skip(cx));
        }
        if !self.ending.has_begun() {
            self.incoming.stage = IncomingStage::Wanted;
            self.connection.stream_messages(true);
            ready!(self.poll_piece(cx));
            self.read_timeout.reset();
            if let IncomingStage::Open(kind) | IncomingStage::Over(kind) = self.incoming.stage {
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
            if !matches!(self.incoming.stage, IncomingStage::Open(_)) || self.ending.has_begun() {
                break;
            }
            ready!(self.poll_piece(cx));
            self.read_timeout.reset();
        }
        self.incoming.stage = IncomingStage::Idle;
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
                self.received_part(in_input);
                self.incoming.in_input = in_input;
                return Poll::Ready(());
            }
            match received {
                Ok(Some(Event::Begin(kind))) => {
                    self.incoming.stage = IncomingStage::Open(kind);
                    self.connection.stream_messages(false);
                }
                Ok(Some(Event::Piece(piece))) => {
                    self.received_part(piece.len());
                    self.incoming.owned = piece.into_owned().into();
                }
                Ok(Some(Event::End)) => {
                    if let IncomingStage::Open(kind) = self.incoming.stage {
                        self.incoming.stage = IncomingStage::Over(kind);
                        // Its length was counted with its pieces.
                        self.role_metrics().count_received(kind, 0);
                    }
                }
                Ok(Some(Event::Message(message))) => {
                    let message = self.received(message.into_owned());
                    self.incoming.set_whole(message);
                }
                Ok(Some(event)) => {
                    self.note(event);
                    continue;
                }
                Ok(None) => match ready!(self.poll_input(cx)) {
                    Ok(Some(message)) => {
                        let message = self.received(message);
                        self.incoming.set_whole(message);
                    }
                    Ok(None) => continue,
                    Err(error) => {
                        self.ending.fail(error);
                        continue;
                    }
                },
                Err(error) => {
                    self.ending.fail(error.into());
                    continue;
                }
            }
            break;
        }
        Poll::Ready(())
    }

    fn received_part(&self, length: usize) {
        if let IncomingStage::Open(kind) = self.incoming.stage {
            self.role_metrics().count_received_part(kind, length);
        }
    }

    /// Returns the rest of the current piece.
    pub(crate) fn rest(&self) -> &[u8] {
        match self.incoming.in_input {
            0 => &self.incoming.owned,
            length => &self.input[..length],
        }
    }

    /// Consumes the first `length` bytes of the current piece.
    pub(crate) fn consume(&mut self, length: usize) {
        if self.incoming.in_input == 0 {
            self.incoming.owned.advance(length);
        } else {
            self.incoming.in_input -= length;
            self.take_input(length);
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
