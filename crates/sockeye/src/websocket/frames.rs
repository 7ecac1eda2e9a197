//! The frames of a connection as they come, for programs that forward them.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use sockeye_proto::frame::{Frame, MAX_CONTROL_LENGTH};
use sockeye_proto::mask::MaskKey;
use sockeye_proto::{ProtocolError, Role, State, UsageError};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use super::output::Output;
use super::{WebSocket, lost, read};
use crate::drain::Member;
use crate::error::{Error, Result};
use crate::random;
use crate::transport::Transport;

/// From this length on, in bytes, an unmasked payload is written from where it is.
const IN_PLACE_FROM: usize = 4096;

/// Room for the rest of a frame that is asked for at a time, in bytes.
const STEP: usize = 64 * 1024;

impl WebSocket {
    /// Gives up messages for frames: from here on they come as they are on the wire, fragments, control frames and reserved
    /// bits included, and nothing is answered, checked or timed that is not of one frame alone. For proxies that
    /// forward frames, and for extensions of one's own.
    ///
    /// `limit` is the longest payload taken, in bytes: a frame is in memory whole. Pings and close frames are for whoever
    /// reads them: a proxy forwards them. Deadlines ([`Config`](crate::Config)) are over; what was [fed](Self::feed) is written
    /// by the sender's next call.
    ///
    /// A proxy between two connections that agreed on the same permessage-deflate may forward compressed frames as they
    /// are.
    ///
    /// ```no_run
    /// # async fn example(near: sockeye::WebSocket, far: sockeye::WebSocket) -> sockeye::Result<()> {
    /// let (mut receiver, _) = near.into_frames(1 << 20)?;
    /// let (_, mut sender) = far.into_frames(1 << 20)?;
    /// while let Some(frame) = receiver.recv_frame().await? {
    ///     sender.send_frame(&frame).await?;
    /// }
    /// sender.shutdown().await
    /// # }
    /// ```
    ///
    /// # Extensions of one's own
    /// A client offers one by [`Client::extension`](crate::Client::extension), a server agrees to it by
    /// [`Response::choose_extension`](crate::upgrade::Response::choose_extension) in
    /// [`before_upgrade`](crate::upgrade::Upgrader::before_upgrade), and [`extensions`](Self::extensions) tells both. What it
    /// changes, the program changes in the frames: their payload, and the [`reserved`](Frame::reserved) bits that the
    /// extension defines (RFC 6455 section 9). It is then also the program that puts fragments together, answers
    /// pings and closes.
    ///
    /// # Errors
    /// [`Error::Usage`] with [`UsageError::MessageInProgress`] when a part of a message was received or sent,
    /// [`Error::Closed`] when the closing handshake has begun. The connection is dropped.
    pub fn into_frames(mut self, limit: usize) -> Result<(FrameReceiver, FrameSender)> {
        if self.ending.has_begun() || self.connection.state() != State::Open {
            return Err(self.too_late());
        }
        if !self.incoming.is_idle() || !self.connection.is_between_messages() {
            return Err(UsageError::MessageInProgress.into());
        }
        if self.left_output {
            self.take_output_back()?;
        }
        let role = self.connection.role();
        let (read, write) = tokio::io::split(self.transport.take());
        let receiver = FrameReceiver {
            transport: read,
            input: mem::take(&mut self.input),
            masked: role == Role::Server,
            limit,
            over: false,
            _member: self.member.clone(),
        };
        let mask_key = (role == Role::Client).then_some(random::bytes as fn() -> MaskKey);
        let output = mem::take(&mut self.output);
        let member = self.member.take();
        let sender = FrameSender { transport: write, output, mask_key, _member: member };
        Ok((receiver, sender))
    }
}

/// The frames that a peer sends: see [`WebSocket::into_frames`].
pub struct FrameReceiver {
    transport: ReadHalf<Transport>,
    input: BytesMut,
    /// Whether the peer must mask its frames.
    masked: bool,
    limit: usize,
    over: bool,
    /// Its place in the drain of its server.
    _member: Option<Arc<Member>>,
}

impl FrameReceiver {
    /// Waits for the next frame. `None` says that the peer ended the transport, which it does after a closing handshake,
    /// or without one.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a header that breaks a rule of its own or the limit: the peer is not told, as that is for the
    /// program to do. [`Error::Disconnected`] when the transport ends within a frame; [`Error::Io`]. Further calls
    /// give `None`.
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn recv_frame(&mut self) -> Result<Option<Frame>> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>>> {
        while !self.over {
            match self.decode() {
                Ok(Some(frame)) => return Poll::Ready(Ok(Some(frame))),
                Ok(None) => {}
                Err(error) => {
                    self.over = true;
                    return Poll::Ready(Err(error.into()));
                }
            }
            let read = ready!(self.poll_read(cx));
            self.over = !matches!(read, Ok(1..));
            if self.over && (read.is_err() || !self.input.is_empty()) {
                return Poll::Ready(Err(read.map_or_else(lost, |_| Error::Disconnected)));
            }
        }
        Poll::Ready(Ok(None))
    }

    fn decode(&mut self) -> Result<Option<Frame>, ProtocolError> {
        let frame = Frame::decode(&mut self.input, self.masked, self.limit)?;
        if self.input.is_empty() {
            // The buffer is shared by all connections of the thread.
            self.input = BytesMut::new();
        }
        Ok(frame)
    }

    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        if self.input.is_empty() {
            return read::poll_read(&mut self.transport, cx).map_ok(|input| {
                self.input = input;
                self.input.len()
            });
        }
        self.input.reserve(STEP);
        read::poll_read_into(&mut self.transport, cx, &mut self.input)
    }
}

/// Sends frames: see [`WebSocket::into_frames`].
pub struct FrameSender {
    transport: WriteHalf<Transport>,
    output: Output,
    /// There for a client.
    mask_key: Option<fn() -> MaskKey>,
    /// Its place in the drain of its server.
    _member: Option<Arc<Member>>,
}

impl FrameSender {
    /// Sends a frame, which a client masks with a key of its own: it is with the transport, whole, when this returns.
    /// Whether it may come here is for the program to know.
    ///
    /// # Errors
    /// As [`feed_frame`](Self::feed_frame).
    ///
    /// # Cancel safety
    /// If it is dropped while it waits for room, the frame was not taken. If it is dropped later, the frame will be written
    /// by the next call of any kind.
    pub async fn send_frame(&mut self, frame: &Frame) -> Result<()> {
        self.feed_frame(frame).await?;
        self.flush().await
    }

    /// Takes a frame to be written with the next [`flush`](Self::flush), or when 64 KiB have come together. Waits only
    /// while there is no room.
    ///
    /// # Errors
    /// [`UsageError::ControlTooLong`] for a control frame of more than 125 bytes, [`Error::Io`].
    ///
    /// # Cancel safety
    /// If it is dropped while it waits, the frame was not taken.
    pub async fn feed_frame(&mut self, frame: &Frame) -> Result<()> {
        if frame.opcode.is_control() && frame.payload.len() > MAX_CONTROL_LENGTH {
            return Err(UsageError::ControlTooLong { length: frame.payload.len() }.into());
        }
        if !self.output.has_room() {
            self.flush().await?;
        }
        if self.mask_key.is_none() && frame.payload.len() >= IN_PLACE_FROM {
            frame.header(None).encode(self.output.buffer());
            self.output.push_shared(frame.payload.clone());
        } else {
            frame.encode(self.mask_key.map(|key| key()), self.output.buffer());
        }
        Ok(())
    }

    /// Writes what was fed: all is with the transport when this returns.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// What was not written is written by the next call of any kind.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.output.poll_flush(cx, &mut self.transport)).await?;
        Ok(())
    }

    /// Writes what was fed, and ends the writing half of the transport.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// If it is dropped, it can be called again.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.flush().await?;
        Ok(self.transport.shutdown().await?)
    }
}

impl fmt::Debug for FrameReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReceiver").field("over", &self.over).finish_non_exhaustive()
    }
}

impl fmt::Debug for FrameSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSender").field("output", &self.output).finish_non_exhaustive()
    }
}
