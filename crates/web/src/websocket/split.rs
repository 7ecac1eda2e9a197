//! A connection split into two halves, for tasks that send and receive at the same time.
//!
//! ```no_run
//! # async fn example(ws: sockeye_web::WebSocket) -> sockeye_web::Result<()> {
//! let (sender, mut receiver) = ws.split();
//! let hello = sender.clone();
//! wasm_bindgen_futures::spawn_local(async move {
//!     if let Err(error) = hello.send("hello").await {
//!         eprintln!("{error}");
//!     }
//! });
//! while let Some(message) = receiver.recv().await? {
//!     sender.send(message).await?;
//! }
//! # Ok(())
//! # }
//! ```

use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;
use sockeye_proto::{CloseCode, CloseFrame, Message, UsageError, Utf8Bytes};
use wasm_bindgen_futures::spawn_local;

use super::connection::{self, Connection, LateMessages};
use super::{Half, SendCapacity, WebSocket};
use crate::error::Result;

/// Close code for a dropped receiver. Replaces 1001, which a page cannot send.
const RECEIVER_DROPPED: u16 = 4001;

impl WebSocket {
    /// Splits the connection into a sending half, for any number of tasks of this page or worker,
    /// and a receiving half.
    pub fn split(self) -> (Sender, Receiver) {
        (Sender { connection: self.connection.clone() }, Receiver { ws: self })
    }
}

/// The sending half of a connection. Cheap to clone.
///
/// # Drop
/// When the last sender is dropped, the [`Receiver`] continues.
#[derive(Clone, Debug)]
pub struct Sender {
    connection: Rc<Connection>,
}

/// The reason why [`Sender::try_send`] did not send a message, with the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError<T = Message> {
    /// The queue has no capacity for the message at present.
    Full(T),
    /// The closing handshake has begun, or the connection is over.
    Closed(T),
}

impl<T> fmt::Display for TrySendError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the send queue is full",
            Self::Closed(_) => "the connection is closed",
        })
    }
}

impl<T: fmt::Debug> std::error::Error for TrySendError<T> {}

impl Sender {
    /// Sends a message, as [`WebSocket::send`] does. Messages are sent in the order in which they
    /// obtained send capacity.
    ///
    /// # Errors
    /// Same as [`WebSocket::send`]; the [`Receiver`] returns the reason why the connection is over.
    ///
    /// # Cancel safety
    /// If the future is dropped while waiting, the message was not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let mut send_capacity = SendCapacity::default();
        let limit = self.connection.limits().unsent;
        poll_fn(|cx| send_capacity.poll(cx, &self.connection, limit)).await?;
        self.connection.send(&message.into())
    }

    /// Sends a message if there is send capacity.
    ///
    /// # Errors
    /// [`TrySendError`], with the message.
    pub fn try_send(&self, message: impl Into<Message>) -> Result<(), TrySendError> {
        let message = message.into();
        let limit = self.connection.limits().unsent;
        if self.connection.is_open() && self.connection.socket().unsent() > limit {
            return Err(TrySendError::Full(message));
        }
        match self.connection.send(&message) {
            Ok(()) => Ok(()),
            Err(_) => Err(TrySendError::Closed(message)),
        }
    }

    /// Begins the closing handshake, after all messages sent before. [`Receiver::recv`] returns its
    /// outcome.
    ///
    /// # Errors
    /// [`UsageError`] for a code that a page must not send, or a reason of more than 123 bytes; the
    /// connection is then unchanged.
    pub fn close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<(), UsageError> {
        let frame = CloseFrame::from(code.into()).with_reason(reason);
        connection::check_close_frame(&frame)?;
        // The receiver returns any other error of the connection.
        let _ = self.connection.begin_close(frame, LateMessages::Received);
        Ok(())
    }

    /// Returns whether the connection is closing or over.
    pub fn is_closed(&self) -> bool {
        !self.connection.is_open()
    }
}

/// The receiving half of a connection.
///
/// # Drop
/// Dropping the receiver closes the connection with 4001, which replaces 1001 (going away), after
/// all messages sent before, within the timeouts of [`WebSocket::close`].
#[derive(Debug)]
pub struct Receiver {
    ws: WebSocket,
}

impl Receiver {
    /// Waits for the next message, as [`WebSocket::recv`] does.
    ///
    /// # Errors
    /// Same as [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// Same as [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        self.ws.recv().await
    }

    /// Closes the connection, as [`WebSocket::close`] does.
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
        self.ws.close(code, reason).await
    }

    /// Returns the peer's close frame, as [`WebSocket::close_frame`] does.
    pub fn close_frame(&self) -> Option<&CloseFrame> {
        self.ws.close_frame()
    }

    /// Returns the negotiated subprotocol, if any.
    pub fn subprotocol(&self) -> Option<&str> {
        self.ws.subprotocol()
    }

    /// Returns the negotiated extensions, as [`WebSocket::extensions`] does.
    pub fn extensions(&self) -> Option<&str> {
        self.ws.extensions()
    }

    /// Returns the URL of the connection.
    pub fn url(&self) -> &str {
        self.ws.url()
    }
}

/// A stream of the messages that [`Receiver::recv`] returns. The stream ends after the closing
/// handshake or after an error.
impl Stream for Receiver {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().ws).poll_next(cx)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let connection = self.ws.connection.clone();
        let frame = CloseFrame::from(CloseCode::from(RECEIVER_DROPPED));
        if connection.has_ended() || connection.begin_close(frame, LateMessages::Discarded).is_err()
        {
            return;
        }
        // Runs until the closing handshake is done or has timed out; the result is not needed.
        spawn_local(async move {
            while let Ok(Some(_)) = poll_fn(|cx| connection.poll_recv(Half::Receive, cx)).await {}
        });
    }
}
