//! A connection split into two halves, for tasks that read and write at the same time.
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
//! Reads never wait for writes, nor writes for reads, and no lock is held during a wait. The writer
//! task compresses messages, so that no other task waits for compression.

mod dropped;
mod options;
mod outbox;
mod queue;
mod receiver_transport;
mod sender;
mod stream;
#[cfg(test)]
mod tests;
mod writer;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use http::Response;
use sockeye_proto::{CloseCode, CloseFrame, Message, Rtt, Utf8Bytes};
use tokio::io::AsyncWrite;

pub use dropped::Dropped;
pub use options::{SendQueue, WhenFull};
pub use sender::{Sender, TrySendError};
pub(super) use stream::StreamSender;

use super::{MessageReader, WebSocket};
use crate::close_payload::ClosePayload;
use crate::driver::Driver;
use crate::error::Result;
use crate::transport::{SplitReadHalf, Transport};
use outbox::Outbox;
use receiver_transport::ReceiverTransport;
use writer::{OutboxWriter, WriterTask};

impl WebSocket {
    /// Splits the connection into a sending half, for any number of tasks, and a receiving half,
    /// with a send queue of 1 MiB that waits when it is full. Fed messages are written first.
    ///
    /// # Panics
    /// If called outside a tokio runtime: the writer is a separate task, which ends with the
    /// connection or with the [`Receiver`].
    pub fn split(self) -> (Sender, Receiver) {
        self.split_with(SendQueue::new())
    }

    /// Splits the connection like [`split`](Self::split), with the given send queue.
    ///
    /// # Panics
    /// Same as [`split`](Self::split).
    pub fn split_with(mut self, queue: SendQueue) -> (Sender, Receiver) {
        let outbox = Arc::new(Outbox::new(queue));
        let peer = self.peer_addr();
        let parts = self.driver.take_writer_parts();
        let (half, write, pings): (Box<dyn SplitReadHalf>, Box<dyn AsyncWrite + Send + Unpin>, _) =
            match parts.transport {
                Transport::Tcp(stream) => {
                    let (read, write) = stream.into_split();
                    (Box::new(ReceiverTransport::new(read, outbox.clone())), Box::new(write), None)
                }
                Transport::Boxed { io, pings, .. } => {
                    let (read, write) = tokio::io::split(io);
                    (Box::new(ReceiverTransport::new(read, outbox.clone())), Box::new(write), pings)
                }
                // The transport was taken away: nothing can be read or written.
                gone => {
                    let (read, write) = tokio::io::split(gone);
                    (Box::new(ReceiverTransport::new(read, outbox.clone())), Box::new(write), None)
                }
            };
        self.driver.set_transport(Transport::Split { half, peer, pings });
        outbox.set_writer(OutboxWriter::new(
            write,
            parts.sending,
            parts.role_metrics,
            parts.traffic,
            parts.output,
        ));
        let task = WriterTask {
            outbox: outbox.clone(),
            progress_timeout: parts.write_timeout,
            close_timeout: parts.close_timeout,
            budget: parts.budget,
        };
        tokio::spawn(task.run());
        (Sender::new(outbox.clone()), Receiver { ws: self, outbox })
    }
}

/// The receiving half. Pings are answered and deadlines watched while [`recv`](Self::recv) is
/// awaited.
///
/// # Drop
/// When the receiver is dropped, the writer task writes the queued messages, then a close frame
/// with 1001 (going away), and ends the transport. A peer that takes nothing for
/// [`Config::write_timeout`](crate::Config::write_timeout()), or does not end the transport within
/// [`Config::close_timeout`](crate::Config::close_timeout()) of the close frame, is dropped. A
/// program that only sends keeps the receiver, and should await `recv` in a separate task.
pub struct Receiver {
    ws: WebSocket,
    outbox: Arc<Outbox>,
}

impl Receiver {
    /// Returns the next message, like [`WebSocket::recv`]. `None` after the closing handshake.
    ///
    /// # Errors
    /// Same as [`WebSocket::recv`]. The senders' messages that were not written by then are
    /// dropped, and counted as unsent.
    ///
    /// # Cancel safety
    /// Same as [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        poll_fn(|cx| self.poll_recv(cx)).await
    }

    /// Returns the next message as a stream, which is read while the message arrives, like
    /// [`WebSocket::recv_stream`].
    ///
    /// # Errors
    /// Same as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Same as [`WebSocket::recv_stream`].
    pub async fn recv_stream(&mut self) -> Result<Option<MessageReader<'_>>> {
        let kind = poll_fn(|cx| self.poll_next_message(cx, Driver::poll_begin)).await?;
        Ok(kind.map(|kind| MessageReader::new(&mut self.ws.driver, kind)))
    }

    /// Sends a ping with a payload of at most 125 bytes, ahead of queued messages.
    ///
    /// # Errors
    /// Same as [`WebSocket::ping`].
    ///
    /// # Cancel safety
    /// Same as [`WebSocket::ping`].
    pub async fn ping(&mut self, payload: &[u8]) -> Result<()> {
        let driver = &mut self.ws.driver;
        poll_fn(|cx| driver.poll_capacity(cx)).await?;
        driver.push_ping(payload)?;
        // The queue takes the ping at once or, if too many control frames wait, while `recv` is
        // awaited.
        match poll_fn(|cx| Poll::Ready(driver.poll_flush_output(cx))).await {
            Poll::Ready(written) => written,
            Poll::Pending => Ok(()),
        }
    }

    /// Closes the connection after the queued messages, and waits for the end of the closing
    /// handshake, like [`WebSocket::close`]. Messages that arrive meanwhile are discarded.
    ///
    /// # Errors
    /// Same as [`WebSocket::close`].
    ///
    /// # Cancel safety
    /// Same as [`WebSocket::close`].
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        self.close_with(ClosePayload::new(code, reason)?).await
    }

    pub(crate) async fn close_with(&mut self, payload: ClosePayload) -> Result<()> {
        self.outbox.close(payload);
        while self.recv().await?.is_some() {}
        Ok(())
    }

    /// Returns the peer's close frame: see [`WebSocket::close_frame`].
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.ws.close_frame()
    }

    /// Returns the server's answer to the opening handshake: see [`WebSocket::response`].
    pub fn response(&self) -> Option<&Response<()>> {
        self.ws.response()
    }

    /// Returns the negotiated subprotocol: see [`WebSocket::subprotocol`].
    pub fn subprotocol(&self) -> Option<&str> {
        self.ws.subprotocol()
    }

    /// Returns the negotiated extensions: see [`WebSocket::extensions`].
    pub fn extensions(&self) -> Option<&str> {
        self.ws.extensions()
    }

    /// Returns the round-trip time: see [`WebSocket::rtt`].
    pub fn rtt(&self) -> Option<Rtt> {
        self.ws.rtt()
    }

    /// Returns the peer's address: see [`WebSocket::peer_addr`].
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.ws.peer_addr()
    }

    /// Returns the application data of this type: see [`WebSocket::data`].
    pub fn data<T: Send + Sync + 'static>(&self) -> Option<&T> {
        self.ws.data()
    }

    /// Returns the application data of this type, to be changed in place: see
    /// [`WebSocket::data_mut`].
    pub fn data_mut<T: Send + Sync + 'static>(&mut self) -> Option<&mut T> {
        self.ws.data_mut()
    }

    /// Attaches a value to the connection: see [`WebSocket::set_data`].
    pub fn set_data<T: Clone + Send + Sync + 'static>(&mut self, data: T) -> Option<T> {
        self.ws.set_data(data)
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        self.poll_next_message(cx, Driver::poll_recv)
    }

    /// Waits for the next message, or for its beginning.
    fn poll_next_message<T>(
        &mut self,
        cx: &mut Context<'_>,
        poll: fn(&mut Driver, &mut Context<'_>) -> Poll<Result<Option<T>>>,
    ) -> Poll<Result<Option<T>>> {
        loop {
            self.close_when_due(cx);
            if self.outbox.is_closing() {
                // The close frame passes through the queue, and is counted there.
                self.ws.driver.leave_close_to_queue();
            }
            self.record_close_written();
            let polled = poll(&mut self.ws.driver, cx);
            if matches!(polled, Poll::Ready(Ok(None) | Err(_))) {
                self.outbox.record_end(self.ws.driver.closed_error());
            }
            match polled {
                Poll::Ready(Ok(None)) => {
                    self.outbox.discard_and_finish();
                    if let Some(error) = self.outbox.take_overdue_close() {
                        return Poll::Ready(Err(error));
                    }
                }
                Poll::Ready(Err(_)) => self.outbox.discard_and_finish(),
                // The close frame may have been written since: then there is a deadline to watch.
                Poll::Pending if self.record_close_written() => continue,
                Poll::Ready(Ok(Some(_))) | Poll::Pending => {}
            }
            return polled;
        }
    }

    /// Closes through the queue when the server shuts down, or when the signal of
    /// [`WebSocket::close_when`] is ready.
    fn close_when_due(&mut self, cx: &mut Context<'_>) {
        if self.ws.driver.has_close_signal() {
            // The driver returns an error from its next call.
            if let Ok(Some(frame)) = self.ws.driver.poll_close_signal_frame(cx) {
                self.outbox.close(frame);
            }
        }
    }

    /// Records that the close frame was written through the queue. Returns whether that is new.
    fn record_close_written(&mut self) -> bool {
        self.outbox.is_close_written() && self.ws.driver.on_close_sent_by_queue()
    }
}

/// The stream of messages that [`Receiver::recv`] returns: it ends after the closing handshake or
/// after an error.
impl Stream for Receiver {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx).map(Result::transpose)
    }
}

impl FusedStream for Receiver {
    fn is_terminated(&self) -> bool {
        self.ws.driver.is_terminated()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("ws", &self.ws).finish_non_exhaustive()
    }
}
