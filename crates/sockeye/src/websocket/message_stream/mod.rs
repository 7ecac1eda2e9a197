//! Messages that are read and written as byte streams, for those that are too long to be in memory at once.

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

/// A message that is read as a stream.
#[derive(Debug, Default)]
pub(super) struct Incoming {
    pub(super) stage: IncomingStage,
    /// How much of the piece at hand lies at the front of the connection's input, in bytes; 0 when it is in `owned`.
    pub(super) in_input: usize,
    /// What is left of a piece that was decompressed, or of a message that was put together.
    owned: Bytes,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum IncomingStage {
    /// There is none.
    #[default]
    Idle,
    /// The next message is to be one.
    Wanted,
    /// It has begun.
    Open(Kind),
    /// It is complete: there is no more of it than the piece at hand.
    Over(Kind),
}

impl Incoming {
    /// Whether whole messages can be received as if there never was another.
    #[inline]
    pub(super) fn is_idle(&self) -> bool {
        self.stage == IncomingStage::Idle
    }

    /// The message arrived before it was known that it is wanted as a stream.
    pub(super) fn set_whole(&mut self, message: Message) {
        self.stage = IncomingStage::Over(message.kind());
        self.owned = message.into_bytes();
    }
}

impl WebSocket {
    /// Waits for the next message and reads it as a stream, while it arrives: from its first frame on, whatever its
    /// length. `None` says that the closing handshake was done.
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
    /// The limit of such messages is [`Config::max_streamed_length`](crate::Config::max_streamed_length()), not that of
    /// whole ones. Of a message that is not read to its end the rest is skipped by the next call that receives.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Nothing is lost. A message of which [`recv`](Self::recv) has received a part before it was dropped goes on as it
    /// began: it is put together, under the limit of whole messages, and then read from memory.
    pub async fn recv_stream(&mut self) -> Result<Option<MessageReader<'_>>> {
        let kind = poll_fn(|cx| self.poll_begin(cx)).await?;
        Ok(kind.map(|kind| MessageReader::new(self, kind)))
    }

    /// Begins a message that is written as a stream, in fragments of 64 KiB. It ends with
    /// [`MessageWriter::finish`]. Waits only while there is no room.
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
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If it is dropped, no message was begun.
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

    /// Skips what is left of a message that was read as a stream, so that the next one is received whole.
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

    /// Goes on until the message has begun, there is a piece of it, or it or the connection ends. The last piece was consumed.
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
            // A piece that was taken from the input is the end of what was.
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

    /// What is left of the piece at hand.
    pub(crate) fn rest(&self) -> &[u8] {
        match self.incoming.in_input {
            0 => &self.incoming.owned,
            length => &self.input[..length],
        }
    }

    /// The first `length` bytes of the piece at hand were used.
    pub(crate) fn consume(&mut self, length: usize) {
        if self.incoming.in_input == 0 {
            self.incoming.owned.advance(length);
        } else {
            self.incoming.in_input -= length;
            self.take_input(length);
        }
    }

    /// Takes the first `length` bytes off the input. When nothing is left, it lets go of the buffer, which is shared by all
    /// connections of the thread.
    pub(super) fn take_input(&mut self, length: usize) {
        if length == self.input.len() {
            self.input = BytesMut::new();
        } else {
            self.input.advance(length);
        }
    }
}
