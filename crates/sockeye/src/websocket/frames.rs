//! The frames of a connection as they are on the wire, for programs that forward them.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::BytesMut;
use sockeye_proto::frame::{Frame, MAX_CONTROL_LENGTH};
use sockeye_proto::mask::MaskKey;
use sockeye_proto::{ProtocolError, Role, UsageError};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};

use super::WebSocket;
use crate::drain::registry::Member;
use crate::driver::output::AsyncOutput;
use crate::driver::{FrameParts, read, read_error};
use crate::error::{Error, Result};
use crate::random;
use crate::transport::Transport;

/// Minimum length of an unmasked payload that is written without a copy, in bytes.
const IN_PLACE_FROM: usize = 4096;

/// Space that is reserved at a time for the rest of a frame, in bytes.
const READ_SPACE: usize = 64 * 1024;

impl WebSocket {
    /// Converts the connection into a receiver and a sender of frames. Frames are passed as they
    /// are on the wire, fragments, control frames and reserved bits included: no ping is answered,
    /// no timeout applies, and only the rules of a single frame are checked. For proxies that
    /// forward frames, and for custom extensions.
    ///
    /// `limit` is the maximum length of a payload, in bytes: a frame is in memory whole. Pings and
    /// close frames are left to the caller: a proxy forwards them. The deadlines of
    /// [`Config`](crate::Config) no longer apply; messages that were [fed](Self::feed) are written
    /// by the sender's next call.
    ///
    /// A proxy between two connections that negotiated the same permessage-deflate may forward
    /// compressed frames unchanged.
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
    /// # Custom extensions
    /// A client offers an extension by [`Client::extension`](crate::Client::extension), a server
    /// agrees to it by [`Response::choose_extension`](crate::upgrade::Response::choose_extension)
    /// in [`before_upgrade`](crate::upgrade::Upgrader::before_upgrade), and
    /// [`extensions`](Self::extensions) returns the agreement on both sides. The program applies
    /// the extension to the frames: to their payload, and to the [`reserved`](Frame::reserved) bits
    /// that the extension defines (RFC 6455 section 9). The program then also has to reassemble
    /// fragments, answer pings and do the closing handshake.
    ///
    /// # Errors
    /// [`Error::Usage`] with [`UsageError::MessageInProgress`] when a message was received or sent
    /// in part, [`Error::Closed`] when the closing handshake has begun. The connection is dropped.
    pub fn into_frames(mut self, limit: usize) -> Result<(FrameReceiver, FrameSender)> {
        let FrameParts { transport, input, output, role, member } =
            self.driver.take_frame_parts()?;
        let (read, write) = tokio::io::split(transport);
        let receiver = FrameReceiver {
            transport: read,
            input,
            masked: role == Role::Server,
            limit,
            ended: false,
            _member: member.clone(),
        };
        let mask_key = (role == Role::Client).then_some(random::bytes as fn() -> MaskKey);
        let sender = FrameSender { transport: write, output, mask_key, _member: member };
        Ok((receiver, sender))
    }
}

/// The receiver of the peer's frames: see [`WebSocket::into_frames`].
pub struct FrameReceiver {
    transport: ReadHalf<Transport>,
    input: BytesMut,
    /// `true` if the peer must mask its frames.
    masked: bool,
    limit: usize,
    /// `true` once the transport has ended or failed, or a frame broke a rule.
    ended: bool,
    /// Membership in the drain of the server.
    _member: Option<Arc<Member>>,
}

impl FrameReceiver {
    /// Returns the next frame, or `None` when the peer has ended the transport, after a closing
    /// handshake or without one.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a header that breaks a rule of a single frame or exceeds the limit:
    /// the program has to notify the peer. [`Error::Disconnected`] when the transport ends within a
    /// frame; [`Error::Io`]. Further calls return `None`.
    ///
    /// # Cancel safety
    /// No frame is lost.
    pub async fn recv_frame(&mut self) -> Result<Option<Frame>> {
        poll_fn(|cx| self.poll_frame(cx)).await
    }

    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Frame>>> {
        while !self.ended {
            match self.decode() {
                Ok(Some(frame)) => return Poll::Ready(Ok(Some(frame))),
                Ok(None) => {}
                Err(error) => {
                    self.ended = true;
                    return Poll::Ready(Err(error.into()));
                }
            }
            let read = ready!(self.poll_read(cx));
            self.ended = !matches!(read, Ok(1..));
            if self.ended && (read.is_err() || !self.input.is_empty()) {
                return Poll::Ready(Err(read.map_or_else(read_error, |_| Error::Disconnected)));
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
        self.input.reserve(READ_SPACE);
        read::poll_read_into(&mut self.transport, cx, &mut self.input)
    }
}

/// The sender of frames: see [`WebSocket::into_frames`].
pub struct FrameSender {
    transport: WriteHalf<Transport>,
    output: AsyncOutput,
    /// The source of mask keys, on a client.
    mask_key: Option<fn() -> MaskKey>,
    /// Membership in the drain of the server.
    _member: Option<Arc<Member>>,
}

impl FrameSender {
    /// Sends a frame, which a client masks with a new key; returns once the whole frame is written
    /// to the transport. The program must ensure that the frame is allowed at this point.
    ///
    /// # Errors
    /// Same as [`feed_frame`](Self::feed_frame).
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits for send capacity, the frame was not queued. If the
    /// future is dropped later, the next call of any kind writes the frame.
    pub async fn send_frame(&mut self, frame: &Frame) -> Result<()> {
        self.feed_frame(frame).await?;
        self.flush().await
    }

    /// Queues a frame. It is written by the next [`flush`](Self::flush), or once 64 KiB are queued.
    /// Waits only while the output is full.
    ///
    /// # Errors
    /// [`UsageError::ControlTooLong`] for a control frame of more than 125 bytes, [`Error::Io`].
    ///
    /// # Cancel safety
    /// If the future is dropped while it waits, the frame was not queued.
    pub async fn feed_frame(&mut self, frame: &Frame) -> Result<()> {
        if frame.opcode.is_control() && frame.payload.len() > MAX_CONTROL_LENGTH {
            return Err(UsageError::ControlTooLong { length: frame.payload.len() }.into());
        }
        if !self.output.has_capacity() {
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

    /// Writes all fed frames; returns once the transport has taken them.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// The next call of any kind writes the remaining frames.
    pub async fn flush(&mut self) -> Result<()> {
        poll_fn(|cx| self.output.poll_flush(cx, &mut self.transport)).await?;
        Ok(())
    }

    /// Writes all fed frames, and ends the writing half of the transport.
    ///
    /// # Errors
    /// [`Error::Io`].
    ///
    /// # Cancel safety
    /// If the future is dropped, `shutdown` can be called again.
    pub async fn shutdown(&mut self) -> Result<()> {
        self.flush().await?;
        Ok(self.transport.shutdown().await?)
    }
}

impl fmt::Debug for FrameReceiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameReceiver").field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl fmt::Debug for FrameSender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FrameSender").field("output", &self.output).finish_non_exhaustive()
    }
}
