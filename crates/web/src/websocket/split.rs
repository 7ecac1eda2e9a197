//! A connection in two halves, for tasks that read and write at the same time.
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

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_core::Stream;
use sockeye_proto::{CloseCode, CloseFrame, Message, UsageError, Utf8Bytes};
use wasm_bindgen_futures::spawn_local;

use super::connection::{self, Arrivals, Connection};
use super::{Half, Room, WebSocket};
use crate::error::Result;

/// What stands for 1001 where a page has to say something: nobody receives any more.
const LEFT: u16 = 4001;

impl WebSocket {
    /// Divides the connection into a half that sends, for any number of tasks of this page or worker, and a half that receives.
    pub fn split(self) -> (Sender, Receiver) {
        (Sender { connection: self.connection.clone() }, Receiver { ws: self })
    }
}

/// The half that sends: cheap to clone.
///
/// # Drop
/// When the last of them is dropped, the [`Receiver`] goes on.
#[derive(Clone, Debug)]
pub struct Sender {
    connection: Rc<Connection>,
}

/// Why [`Sender::try_send`] did not take a message, which it gives back.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TrySendError {
    /// There is no room now.
    Full(Message),
    /// The connection is closing or over.
    Closed(Message),
}

impl Sender {
    /// As [`WebSocket::send`]. Messages go in the order in which there was room for them.
    ///
    /// # Errors
    /// As [`WebSocket::send`]; the [`Receiver`] tells why the connection is over.
    ///
    /// # Cancel safety
    /// If it is dropped while it waits, the message was not taken.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let mut room = Room::default();
        let limit = self.connection.limits().unsent;
        poll_fn(|cx| room.poll(cx, &self.connection, limit)).await?;
        self.connection.send(&message.into())
    }

    /// Takes a message if there is room.
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

    /// Begins the closing handshake, after what was sent before. The [`Receiver`] sees its end.
    ///
    /// # Errors
    /// [`UsageError`] for a code that a page must not send, or a reason of more than 123 bytes: nothing has happened then.
    pub fn close(
        &self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<(), UsageError> {
        let frame = CloseFrame::from(code.into()).with_reason(reason);
        connection::check(&frame)?;
        // Whatever else is wrong with the connection, the receiver is told.
        let _ = self.connection.begin_close(frame, Arrivals::Received);
        Ok(())
    }

    /// Whether the connection is closing or over.
    pub fn is_closed(&self) -> bool {
        !self.connection.is_open()
    }
}

/// The half that receives.
///
/// # Drop
/// When it is dropped, the connection is closed with 4001, which is what stands for 1001 (going away), after what was sent, in
/// the time that [`WebSocket::close`] has.
#[derive(Debug)]
pub struct Receiver {
    ws: WebSocket,
}

impl Receiver {
    /// As [`WebSocket::recv`].
    ///
    /// # Errors
    /// As [`WebSocket::recv`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::recv`].
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        self.ws.recv().await
    }

    /// As [`WebSocket::close`].
    ///
    /// # Errors
    /// As [`WebSocket::close`].
    ///
    /// # Cancel safety
    /// As [`WebSocket::close`].
    pub async fn close(
        &mut self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        self.ws.close(code, reason).await
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

    /// As [`WebSocket::url`].
    pub fn url(&self) -> &str {
        self.ws.url()
    }
}

/// The messages, as [`Receiver::recv`] gives them: the stream ends after the closing handshake or after an error.
impl Stream for Receiver {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        Pin::new(&mut self.get_mut().ws).poll_next(cx)
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        let connection = self.ws.connection.clone();
        let frame = CloseFrame::from(CloseCode::from(LEFT));
        if connection.is_over() || connection.begin_close(frame, Arrivals::Discarded).is_err() {
            return;
        }
        // Until the closing handshake is done or its time is over, of which nobody wants to know any more.
        spawn_local(async move {
            while let Ok(Some(_)) = poll_fn(|cx| connection.poll_recv(Half::Receive, cx)).await {}
        });
    }
}
