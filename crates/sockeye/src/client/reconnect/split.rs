//! A client that connects again, in two halves: one waits for events, and any number of tasks send.

use std::fmt;

use sockeye_proto::{CloseCode, Message, Utf8Bytes};
use tokio::sync::watch;

use super::{Event, Link, Reconnecting, State};
use crate::websocket::split;
use crate::{Error, Result, WebSocket};

/// What the senders know of the connection.
#[derive(Clone)]
pub(super) enum Slot {
    /// There is none now.
    Waiting,
    Open(split::Sender),
    /// There will be none any more.
    Over,
}

impl Reconnecting {
    /// Divides it into a half that sends, for any number of tasks, and a half that waits for events and makes the
    /// connections.
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
    /// Each connection is [divided](WebSocket::split) likewise, with a queue of 1 MiB.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn split(mut self) -> (Sender, Receiver) {
        let (slot, watched) = watch::channel(Slot::Waiting);
        self.slot = Some(slot);
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open { link: Link::Whole(ws), since } => {
                let link = self.link(*ws);
                self.state = State::Open { link, since };
            }
            State::Over => self.end(),
            other => self.state = other,
        }
        (Sender { slot: watched }, Receiver { inner: self })
    }

    /// A connection that has just been opened, as this one is: whole or divided.
    pub(super) fn link(&self, ws: WebSocket) -> Link {
        if self.slot.is_none() {
            return Link::Whole(Box::new(ws));
        }
        let link = Link::divide(ws);
        if let Link::Divided { sender, .. } = &link {
            self.publish(Slot::Open(sender.clone()));
        }
        link
    }

    pub(super) fn publish(&self, now: Slot) {
        if let Some(slot) = &self.slot {
            slot.send_replace(now);
        }
    }
}

/// The half of a [`Reconnecting`] that sends. Clones send by the same connections.
#[derive(Clone)]
pub struct Sender {
    slot: watch::Receiver<Slot>,
}

impl Sender {
    /// Sends a message, once: it is in the queue of the connection when this returns, and is lost if that is lost before it
    /// was written. While there is no connection it waits for one, which is made while the other half
    /// [waits](Receiver::next) for events.
    ///
    /// # Errors
    /// [`Error::Closed`] when it is over, or the other half was dropped: nothing was sent.
    ///
    /// # Cancel safety
    /// If it is dropped, the message was not taken.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let (message, mut slot) = (message.into(), self.slot.clone());
        loop {
            let now = slot.borrow_and_update().clone();
            match now {
                Slot::Waiting => {}
                Slot::Over => return Err(Error::Closed(None)),
                Slot::Open(sender) => match sender.send(message.clone()).await {
                    Ok(()) => return Ok(()),
                    Err(error @ Error::Usage(_)) => return Err(error),
                    // This connection is at its end: the message was not taken, and may go by the next one.
                    Err(_) => {}
                },
            }
            if slot.changed().await.is_err() {
                return Err(Error::Closed(None));
            }
        }
    }
}

/// The half of a [`Reconnecting`] that waits for events, and makes the connections meanwhile. When it is dropped, the
/// connection ends as that of a dropped [`split::Receiver`].
pub struct Receiver {
    inner: Reconnecting,
}

impl Receiver {
    /// As [`Reconnecting::next`].
    ///
    /// # Errors
    /// As [`Reconnecting::next`].
    ///
    /// # Cancel safety
    /// Nothing is lost.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        self.inner.next().await
    }

    /// As [`Reconnecting::recv`].
    ///
    /// # Errors
    /// As [`Reconnecting::recv`].
    ///
    /// # Cancel safety
    /// Nothing is lost but events that are no messages.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        self.inner.recv().await
    }

    /// As [`Reconnecting::close`], after what the senders queued.
    ///
    /// # Errors
    /// As [`Reconnecting::close`].
    ///
    /// # Cancel safety
    /// As [`Reconnecting::close`].
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<Utf8Bytes>) -> Result<()> {
        self.inner.close(code, reason).await
    }

    /// As [`Reconnecting::reconnect`]. What the senders queued and was not written is lost.
    pub fn reconnect(&mut self) {
        self.inner.reconnect();
    }

    /// The connection while it is open: for the subprotocol, and what else it has.
    pub fn connection(&self) -> Option<&split::Receiver> {
        match &self.inner.state {
            State::Open { link, .. } => link.receiver(),
            _ => None,
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = match &*self.slot.borrow() {
            Slot::Waiting => "Waiting",
            Slot::Open(_) => "Open",
            Slot::Over => "Over",
        };
        f.debug_struct("Sender").field("state", &now).finish()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("inner", &self.inner).finish()
    }
}
