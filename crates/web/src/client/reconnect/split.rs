//! A client that connects again, in two halves: one waits for events, and any number of tasks send.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use sockeye_proto::{CloseCode, Message, Utf8Bytes};

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

/// Where the senders look, and who of them wait.
pub(super) struct Place(Rc<Shared>);

struct Shared {
    slot: RefCell<Slot>,
    /// How often the slot has changed, so that a sender tells a new connection from the one that has just refused it.
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

    /// Waits until the slot has changed since.
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
    /// Divides it into a half that sends, for any number of tasks of this page or worker, and a half that waits for events and
    /// makes the connections.
    ///
    /// Each connection is [divided](WebSocket::split) likewise.
    pub fn split(mut self) -> (Sender, Receiver) {
        let shared = Rc::new(Shared {
            slot: RefCell::new(Slot::Waiting),
            changes: RefCell::default(),
            waiting: RefCell::default(),
        });
        self.place = Some(Place(shared.clone()));
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Open { link: Link::Whole(ws), since } => {
                let link = self.link(*ws);
                self.state = State::Open { link, since };
            }
            State::Over => self.end(),
            other => self.state = other,
        }
        (Sender { shared: Rc::downgrade(&shared) }, Receiver { inner: self })
    }

    /// A connection that has just been opened, as this one is: whole or divided.
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

/// The half of a [`Reconnecting`] that sends. Clones send by the same connections.
#[derive(Clone)]
pub struct Sender {
    shared: Weak<Shared>,
}

impl Sender {
    /// Sends a message, once: it is with the browser, whole, when this returns. While there is no connection it waits for one,
    /// which is made while the other half [waits](Receiver::next) for events.
    ///
    /// # Errors
    /// [`Error::Closed`] when it is over, or the other half was dropped: nothing was sent.
    ///
    /// # Cancel safety
    /// If it is dropped, the message was not taken.
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
                    // This connection is at its end: the message was not taken, and may go by the next one.
                    Err(_) => {}
                },
            }
            poll_fn(|cx| shared.poll_change(cx, since)).await;
        }
        Err(Error::Closed(None))
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

    /// As [`Reconnecting::close`], after what was sent.
    ///
    /// # Errors
    /// As [`Reconnecting::close`].
    ///
    /// # Cancel safety
    /// As [`Reconnecting::close`].
    pub async fn close(&mut self, code: CloseCode, reason: impl Into<Utf8Bytes>) -> Result<()> {
        self.inner.close(code, reason).await
    }

    /// As [`Reconnecting::reconnect`].
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
