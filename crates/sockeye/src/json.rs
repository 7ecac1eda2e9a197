//! JSON messages with serde.
//!
//! A value is sent as a text message. [`Message::json`] and [`Message::parse_json`] convert a
//! single message, such as in the callbacks of a handler server.

use serde::Serialize;
use serde::de::DeserializeOwned;
use sockeye_proto::{Message, message};

use crate::reconnect::{self, Reconnecting};
use crate::split::{Receiver, Sender};
use crate::{Error, WebSocket};

/// The reason why a JSON value was not sent or received.
pub type JsonError = message::JsonError<Error>;

impl WebSocket {
    /// Sends a value as a JSON text message, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// [`JsonError::Json`] when the value has no JSON form: nothing was sent, and the connection
    /// remains open. [`JsonError::Connection`] with the errors of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// The same as for [`send`](Self::send).
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        let message = Message::json(value).map_err(JsonError::Json)?;
        Ok(self.send(message).await?)
    }

    /// Waits for the next message, text or binary, and deserializes it. Returns `None` after the
    /// closing handshake, as [`recv`](Self::recv) does.
    ///
    /// ```no_run
    /// # async fn example(mut ws: sockeye::WebSocket) -> Result<(), sockeye::JsonError> {
    /// while let Some(point) = ws.recv_json::<(f64, f64)>().await? {
    ///     ws.send_json(&point).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// [`JsonError::Json`] when the message is not one JSON value that fits `T`: the message is
    /// dropped, and the connection remains open. [`JsonError::Connection`] with the errors of
    /// [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// The same as for [`recv`](Self::recv).
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, JsonError> {
        parse(self.recv().await?)
    }
}

impl Sender {
    /// Sends a value as a JSON text message, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// The errors of [`WebSocket::send_json`].
    ///
    /// # Cancel safety
    /// The same as for [`send`](Self::send).
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), JsonError> {
        let message = Message::json(value).map_err(JsonError::Json)?;
        Ok(self.send(message).await?)
    }
}

impl Reconnecting {
    /// Sends a value as a JSON text message, once, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// [`JsonError::Json`] as for [`WebSocket::send_json`], [`JsonError::Connection`] with the
    /// errors of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// The same as for [`send`](Self::send).
    pub async fn send_json<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), JsonError> {
        let message = Message::json(value).map_err(JsonError::Json)?;
        Ok(self.send(message).await?)
    }
}

impl reconnect::Sender {
    /// Sends a value as a JSON text message, once, as [`send`](Self::send) does.
    ///
    /// # Errors
    /// [`JsonError::Json`] as for [`WebSocket::send_json`], [`JsonError::Connection`] with the
    /// errors of [`send`](Self::send).
    ///
    /// # Cancel safety
    /// The same as for [`send`](Self::send).
    pub async fn send_json<T: Serialize + ?Sized>(&self, value: &T) -> Result<(), JsonError> {
        let message = Message::json(value).map_err(JsonError::Json)?;
        Ok(self.send(message).await?)
    }
}

impl Receiver {
    /// Waits for the next message and deserializes it, as [`WebSocket::recv_json`] does.
    ///
    /// # Errors
    /// The errors of [`WebSocket::recv_json`].
    ///
    /// # Cancel safety
    /// The same as for [`recv`](Self::recv).
    pub async fn recv_json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, JsonError> {
        parse(self.recv().await?)
    }
}

fn parse<T: DeserializeOwned>(message: Option<Message>) -> Result<Option<T>, JsonError> {
    message.map(|message| message.parse_json()).transpose().map_err(JsonError::Json)
}
