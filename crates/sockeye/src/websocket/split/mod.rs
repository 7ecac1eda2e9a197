//! A connection in two halves, for tasks that read and write at the same time.
//!
//! ```no_run
//! # async fn example(ws: sockeye::WebSocket) -> sockeye::Result<()> {
//! let (sender, mut receiver) = ws.split();
//! let ticker = sender.clone();
//! tokio::spawn(async move {
//!     let mut every = tokio::time::interval(std::time::Duration::from_secs(1));
//!     loop {
//!         every.tick().await;
//!         ticker.send("tick").await?;
//!     }
//!     # #[allow(unreachable_code)]
//!     Ok::<_, sockeye::Error>(())
//! });
//! while let Some(message) = receiver.recv().await? {
//!     sender.send(message).await?;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! ```text
//!  Sender ──┐
//!  Sender ──┼─► queue, bounded in bytes ──► writer task ──► transport
//!  Sender ──┘                                  ▲                │
//!  Receiver ◄── messages   pongs, close ───────┘                │
//!     └──────────────────◄──────────────────────────────────────┘
//! ```
//!
//! Reads never wait for writes, nor writes for reads, and no lock is held while anything waits. A message is compressed by
//! the writer, so that nobody else waits for that either.

mod lane;
mod options;
mod outbox;
mod queue;
mod sender;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::future::poll_fn;
use std::mem;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures_core::Stream;
use futures_core::stream::FusedStream;
use sockeye_proto::connection::SendingHalf;
use sockeye_proto::{CloseCode, CloseFrame, Message, Rtt, State, Utf8Bytes};
use tokio::io::{AsyncRead, AsyncWrite};

pub use options::{SendQueue, WhenFull};
pub use sender::{Dropped, Sender, TrySendError};
pub(super) use stream::StreamSender;

use super::output::Output;
use super::patience::Patience;
use super::{MessageReader, WebSocket};
use crate::error::Result;
use crate::figures::Side;
use crate::transport::Transport;
use lane::Lane;
pub(super) use lane::WriterFailed;
use outbox::Outbox;
use writer::Writer;

impl WebSocket {
    /// Divides the connection into a half that sends, for any number of tasks, and a half that receives, with a queue of
    /// 1 MiB that waits when it is full. What was fed is written first.
    ///
    /// # Panics
    /// Outside of a tokio runtime: the writer is a task of its own, which ends with the connection or with the
    /// [`Receiver`].
    pub fn split(self) -> (Sender, Receiver) {
        self.split_with(SendQueue::new())
    }

    /// As [`split`](Self::split), with a queue of one's own.
    ///
    /// # Panics
    /// As [`split`](Self::split).
    pub fn split_with(mut self, queue: SendQueue) -> (Sender, Receiver) {
        let outbox = Arc::new(Outbox::new(queue));
        let peer = self.peer_addr();
        let start = Start {
            sending: self.connection.sending_half(),
            side: self.side(),
            output: mem::take(&mut self.output),
            outbox: outbox.clone(),
            close_timeout: self.connection.close_timeout(),
            patience: mem::take(&mut self.write_patience),
            peer,
        };
        self.transport = match self.transport {
            Transport::Tcp(stream) => {
                let (read, write) = stream.into_split();
                start.writer(read, write)
            }
            Transport::Boxed { io, pings, .. } => {
                let (read, write) = tokio::io::split(io);
                start.writer(read, write).with_pings(pings)
            }
        };
        (Sender::new(outbox.clone()), Receiver { ws: self, outbox })
    }
}

/// What a writer begins with.
struct Start {
    sending: SendingHalf,
    side: Side,
    output: Output,
    outbox: Arc<Outbox>,
    close_timeout: Duration,
    patience: Patience,
    peer: Option<SocketAddr>,
}

impl Start {
    /// Starts the writer. Gives the transport of the receiving half.
    fn writer(
        self,
        read: impl AsyncRead + Send + Unpin + 'static,
        write: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Transport {
        let Self { sending, side, output, outbox, close_timeout, patience, peer } = self;
        let lane = Lane { transport: read, outbox: outbox.clone() };
        let writer =
            Writer { transport: write, sending, side, output, outbox, close_timeout, patience };
        tokio::spawn(writer.run());
        Transport::boxed(lane, peer)
    }
}

/// The half that receives. Pings are answered and deadlines watched while [`recv`](Self::recv) is awaited.
///
/// # Drop
/// When it is dropped, what the senders queued is written, then a close frame with 1001 (going away), and the transport is
/// ended, all within [`Config::close_timeout`](crate::Config::close_timeout). A program that only sends keeps it, and best
/// awaits `recv` in a task of its own.
pub struct Receiver {
    ws: WebSocket,
    outbox: Arc<Outbox>,
}

impl Receiver {
    /// Waits for the next message, as [`WebSocket::recv`]. `None` says that the closing handshake was done.
    ///
    /// # Errors
    /// As [`WebSocket::recv`]. The senders' messages that were not written by then are dropped, and counted as unsent.
    ///
    /// # Cancel safety
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// As [`WebSocket::recv_stream`]: waits for the next message and reads it as a stream, while it arrives.
    ///
    /// # Errors
    /// As [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// As [`WebSocket::recv_stream`].
    pub async fn recv_stream(&mut self) -> Result<Option<MessageReader<'_>>> {
        let kind = poll_fn(|cx| self.poll_next_message(cx, WebSocket::poll_begin)).await?;
        Ok(kind.map(|kind| MessageReader::new(&mut self.ws, kind)))
    }

    /// Sends a ping with at most 125 bytes of payload, ahead of messages that wait.
    ///
    /// # Errors
    /// As [`WebSocket::ping`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::ping`].
    pub async fn ping(&mut self, payload: &[u8]) -> Result<()> {
        self.ws.ping(payload).await
    }

    /// Closes the connection after what the senders queued, and waits for the end of the closing handshake, as
    /// [`WebSocket::close`]. Messages that arrive in between are discarded.
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::close`].
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<Utf8Bytes>) -> Result<()> {
        self.outbox.close(CloseFrame::new(code, reason)?);
        while self.recv().await?.is_some() {}
        Ok(())
    }

    /// As [`WebSocket::close_frame`].
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.ws.close_frame()
    }

    /// As [`WebSocket::subprotocol`].
    pub fn subprotocol(&self) -> Option<&str> {
        self.ws.subprotocol()
    }

    /// As [`WebSocket::extensions`].
    pub fn extensions(&self) -> Option<&str> {
        self.ws.extensions()
    }

    /// As [`WebSocket::rtt`].
    pub fn rtt(&self) -> Option<Rtt> {
        self.ws.rtt()
    }

    /// As [`WebSocket::peer_addr`].
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.ws.peer_addr()
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        self.poll_next_message(cx, WebSocket::poll_recv)
    }

    /// Waits for the next message, or for its beginning.
    fn poll_next_message<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: fn(&mut WebSocket, &mut Context<'_>) -> Poll<Result<Option<T>>>,
    ) -> Poll<Result<Option<T>>> {
        loop {
            if self.outbox.is_closing() {
                self.note_close();
            }
            let polled = poll(&mut self.ws, cx);
            match polled {
                Poll::Ready(Ok(Some(_))) => {}
                Poll::Ready(_) => self.outbox.give_up(),
                // Senders may have closed since: then there is a deadline to watch.
                Poll::Pending if self.outbox.is_closing() && self.note_close() => continue,
                Poll::Pending => {}
            }
            return polled;
        }
    }

    /// Takes note that a close frame goes out by way of the queue. Says whether that is new.
    fn note_close(&mut self) -> bool {
        let WebSocket { connection, ending, .. } = &mut self.ws;
        // What it would send, the writer sends.
        let new =
            connection.state() == State::Open && connection.close(None, &mut Vec::new()).is_ok();
        if new {
            ending.presence.leave_close();
        }
        new
    }
}

/// The messages, as [`Receiver::recv`] gives them: the stream ends after the closing handshake or after an error.
impl Stream for Receiver {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx).map(Result::transpose)
    }
}

impl FusedStream for Receiver {
    fn is_terminated(&self) -> bool {
        self.ws.ending.is_done()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("ws", &self.ws).finish_non_exhaustive()
    }
}
