//! A reconnecting client split into two halves: one waits for events, and any number of tasks send.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use sockeye_proto::{CloseCode, Message, Utf8Bytes};

use super::{Event, Link, Reconnecting, Resource};
use crate::websocket::split;
use crate::{Error, Result, WebSocket};

/// The state of the connection as the senders see it.
#[derive(Clone)]
pub(super) enum Slot {
    /// There is no connection at present.
    Waiting,
    Open(split::Sender),
    /// There will be no further connection.
    Over,
}

/// The state shared with the senders, owned by the receiving half.
pub(super) struct Place(Rc<Shared>);

struct Shared {
    slot: RefCell<Slot>,
    /// Number of changes of the slot, so that a sender can tell a new connection from the one that
    /// has just rejected its message.
    changes: RefCell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Shared {
    fn publish(&self, now: Slot) {
        self.slot.replace(now);
        *self.changes.borrow_mut() += 1;
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until the slot has changed since the change number `since`.
    fn poll_change(&self, cx: &Context<'_>, since: u64) -> Poll<()> {
        if *self.changes.borrow() != since {
            return Poll::Ready(());
        }
        let mut waiting = self.waiting.borrow_mut();
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.publish(Slot::Over);
    }
}

impl Reconnecting {
    /// Splits the client into a sending half, for any number of tasks of this page or worker, and a
    /// half that waits for events and opens the connections.
    ///
    /// Each connection is [split](WebSocket::split) in the same way.
    pub fn split(mut self) -> (Sender, Receiver) {
        let shared = Rc::new(Shared {
            slot: RefCell::new(Slot::Waiting),
            changes: RefCell::default(),
            waiting: RefCell::default(),
        });
        self.place = Some(Place(shared.clone()));
        if self.machine.is_over() {
            self.publish(Slot::Over);
        }
        self.resource = match std::mem::replace(&mut self.resource, Resource::None) {
            Resource::Connection(Link::Whole(ws)) => Resource::Connection(self.link(*ws)),
            other => other,
        };
        (Sender { shared: Rc::downgrade(&shared) }, Receiver { inner: self })
    }

    /// Wraps a new connection, whole or split like this client.
    pub(super) fn link(&self, ws: WebSocket) -> Link {
        if self.place.is_none() {
            return Link::Whole(Box::new(ws));
        }
        let link = Link::divide(ws);
        if let Link::Divided { sender, .. } = &link {
            self.publish(Slot::Open(sender.clone()));
        }
        link
    }

    pub(super) fn publish(&self, now: Slot) {
        if let Some(Place(shared)) = &self.place {
            shared.publish(now);
        }
    }
}

/// The sending half of a [`Reconnecting`]. Clones share the connection.
#[derive(Clone)]
pub struct Sender {
    shared: Weak<Shared>,
}

impl Sender {
    /// Sends a message, once. When this returns, the browser has taken the whole message. Without a
    /// connection, waits for one, which is opened while the other half [waits](Receiver::next) for
    /// events.
    ///
    /// # Errors
    /// [`Error::Closed`] if the client is over or the other half was dropped: nothing was sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message was not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        while let Some(shared) = self.shared.upgrade() {
            let (now, since) = (shared.slot.borrow().clone(), *shared.changes.borrow());
            match now {
                Slot::Waiting => {}
                Slot::Over => break,
                Slot::Open(sender) => match sender.send(message.clone()).await {
                    Ok(()) => return Ok(()),
                    Err(error @ Error::Usage(_)) => return Err(error),
                    // This connection has ended: the message was not sent, and may be sent on the
                    // next one.
                    Err(_) => {}
                },
            }
            poll_fn(|cx| shared.poll_change(cx, since)).await;
        }
        Err(Error::Closed(None))
    }
}

/// The half of a [`Reconnecting`] that waits for events, and opens the connections meanwhile.
/// Dropping it ends the connection as dropping a [`split::Receiver`] does.
pub struct Receiver {
    inner: Reconnecting,
}

impl Receiver {
    /// Waits for the next event, as [`Reconnecting::next`] does.
    ///
    /// # Errors
    /// Same as [`Reconnecting::next`].
    ///
    /// # Cancel safety
    /// If the future is dropped, no event is lost.
    pub async fn next(&mut self) -> Result<Option<Event>> {
        self.inner.next().await
    }

    /// Waits for the next message, as [`Reconnecting::recv`] does.
    ///
    /// # Errors
    /// Same as [`Reconnecting::recv`].
    ///
    /// # Cancel safety
    /// If the future is dropped, only events other than messages may be lost.
    pub async fn recv(&mut self) -> Result<Option<Message>> {
        self.inner.recv().await
    }

    /// Closes the connection after all messages sent before, as [`Reconnecting::close`] does.
    ///
    /// # Errors
    /// Same as [`Reconnecting::close`].
    ///
    /// # Cancel safety
    /// Same as [`Reconnecting::close`].
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<Utf8Bytes>) -> Result<()> {
        self.inner.close(code, reason).await
    }

    /// Drops the connection and opens another one, as [`Reconnecting::reconnect`] does.
    pub fn reconnect(&mut self) {
        self.inner.reconnect();
    }

    /// Returns the open connection, if any, for example to read its subprotocol.
    pub fn connection(&self) -> Option<&split::Receiver> {
        match &self.inner.resource {
            Resource::Connection(link) => link.receiver(),
            _ => None,
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = match self.shared.upgrade().map(|shared| shared.slot.borrow().clone()) {
            Some(Slot::Waiting) => "Waiting",
            Some(Slot::Open(_)) => "Open",
            Some(Slot::Over) | None => "Over",
        };
        f.debug_struct("Sender").field("state", &now).finish()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("inner", &self.inner).finish()
    }
}
