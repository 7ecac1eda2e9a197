//! A reconnecting client in two halves: one receives events, and any number of tasks send.

use std::fmt;

use sockeye_proto::{CloseCode, Message, Utf8Bytes};
use tokio::sync::watch;

use super::{Event, MaybeSplit, Reconnecting, Resource};
use crate::websocket::split;
use crate::{Error, Result, WebSocket};

/// The state of the connection, as published to the senders.
#[derive(Clone)]
pub(super) enum SenderState {
    /// There is no connection at present.
    Waiting,
    Open(split::Sender),
    /// There will be no further connection.
    Stopped,
}

impl Reconnecting {
    /// Splits the client into a sending half, for any number of tasks, and a half that receives
    /// events and opens the connections.
    ///
    /// ```no_run
    /// # async fn example() -> sockeye::Result<()> {
    /// use sockeye::Client;
    /// use sockeye::reconnect::Reconnecting;
    ///
    /// let client = Client::new("wss://example.com/feed");
    /// let (sender, mut events) = Reconnecting::new(client).split();
    /// tokio::spawn(async move {
    ///     loop {
    ///         tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    ///         if sender.send("tick").await.is_err() {
    ///             break;
    ///         }
    ///     }
    /// });
    /// while let Some(message) = events.recv().await? {
    ///     println!("{message}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// Each connection is [split](WebSocket::split) likewise, with a queue of 1 MiB.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn split(mut self) -> (Sender, Receiver) {
        let (publisher, state) = watch::channel(SenderState::Waiting);
        self.publisher = Some(publisher);
        if self.machine.is_stopped() {
            self.publish(SenderState::Stopped);
        }
        self.resource = match std::mem::replace(&mut self.resource, Resource::None) {
            Resource::Connection(MaybeSplit::Whole(ws)) => Resource::Connection(self.wrap(*ws)),
            other => other,
        };
        (Sender { state }, Receiver { inner: self })
    }

    /// Wraps a newly opened connection, whole or split as this client is.
    pub(super) fn wrap(&self, ws: WebSocket) -> MaybeSplit {
        if self.publisher.is_none() {
            return MaybeSplit::Whole(Box::new(ws));
        }
        let connection = MaybeSplit::split(ws);
        if let MaybeSplit::Split { sender, .. } = &connection {
            self.publish(SenderState::Open(sender.clone()));
        }
        connection
    }

    pub(super) fn publish(&self, state: SenderState) {
        if let Some(publisher) = &self.publisher {
            publisher.send_replace(state);
        }
    }
}

/// The sending half of a [`Reconnecting`]. Clones send on the same connections.
#[derive(Clone)]
pub struct Sender {
    state: watch::Receiver<SenderState>,
}

impl Sender {
    /// Sends a message once: the message is in the connection's queue when this returns, and is
    /// lost if the connection is lost before the message is written. Without a connection, `send`
    /// waits for one, which opens only while the other half [waits](Receiver::next) for events.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end or when the other half was dropped: nothing was sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message is not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let (message, mut state) = (message.into(), self.state.clone());
        loop {
            let current = state.borrow_and_update().clone();
            match current {
                SenderState::Waiting => {}
                SenderState::Stopped => return Err(Error::Closed(None)),
                SenderState::Open(sender) => match sender.send(message.clone()).await {
                    Ok(()) => return Ok(()),
                    Err(error @ Error::Usage(_)) => return Err(error),
                    // This connection is ending: the message was not queued, and the next
                    // connection can send it.
                    Err(_) => {}
                },
            }
            if state.changed().await.is_err() {
                return Err(Error::Closed(None));
            }
        }
    }
}

/// The half of a [`Reconnecting`] that receives events and meanwhile opens the connections.
/// Dropping this half ends the connection as dropping a [`split::Receiver`] does.
pub struct Receiver {
    inner: Reconnecting,
}

impl Receiver {
    /// Returns the next event, as [`Reconnecting::next`] does.
    ///
    /// # Errors
    /// The errors of [`Reconnecting::next`].
    ///
    /// # Cancel safety
    /// No event is lost.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        self.inner.next().await
    }

    /// Returns the next message, as [`Reconnecting::recv`] does.
    ///
    /// # Errors
    /// The errors of [`Reconnecting::recv`].
    ///
    /// # Cancel safety
    /// No message is lost; other events may be.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        self.inner.recv().await
    }

    /// Closes the connection as [`Reconnecting::close`] does, after the messages that the senders
    /// queued.
    ///
    /// # Errors
    /// The errors of [`Reconnecting::close`].
    ///
    /// # Cancel safety
    /// The same as for [`Reconnecting::close`].
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<Utf8Bytes>) -> Result<()> {
        self.inner.close(code, reason).await
    }

    /// Reconnects as [`Reconnecting::reconnect`] does. Messages that the senders queued and that
    /// were not written are lost.
    pub fn reconnect(&mut self) {
        self.inner.reconnect();
    }

    /// Returns the open connection, if any: for the subprotocol and other details.
    pub fn connection(&self) -> Option<&split::Receiver> {
        match &self.inner.resource {
            Resource::Connection(connection) => connection.receiver(),
            _ => None,
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &*self.state.borrow() {
            SenderState::Waiting => "Waiting",
            SenderState::Open(_) => "Open",
            SenderState::Stopped => "Stopped",
        };
        f.debug_struct("Sender").field("state", &state).finish()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("inner", &self.inner).finish()
    }
}
