//! A reconnecting client split into two halves: one waits for events, and any number of tasks send.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use sockeye_proto::{CloseCode, Message, Utf8Bytes};

use super::{Event, MaybeSplit, Reconnecting, Resource};
use crate::websocket::split;
use crate::{Error, Result, WebSocket};

/// The state of the connection as the senders see it.
#[derive(Clone)]
pub(super) enum SenderState {
    /// There is no connection at present.
    Waiting,
    Open(split::Sender),
    /// There will be no further connection.
    Stopped,
}

/// The state shared with the senders, owned by the receiving half.
pub(super) struct Publisher(Rc<Shared>);

struct Shared {
    state: RefCell<SenderState>,
    /// Number of changes of the state, so that a sender can tell a new connection from the one that
    /// has just rejected its message.
    changes: RefCell<u64>,
    waiting: RefCell<Vec<Waker>>,
}

impl Shared {
    fn publish(&self, state: SenderState) {
        self.state.replace(state);
        *self.changes.borrow_mut() += 1;
        for waker in self.waiting.take() {
            waker.wake();
        }
    }

    /// Waits until the state has changed since the change number `since`.
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

impl Drop for Publisher {
    fn drop(&mut self) {
        self.0.publish(SenderState::Stopped);
    }
}

impl Reconnecting {
    /// Splits the client into a sending half, for any number of tasks of this page or worker, and a
    /// half that waits for events and opens the connections.
    ///
    /// Each connection is [split](WebSocket::split) in the same way.
    pub fn split(mut self) -> (Sender, Receiver) {
        let shared = Rc::new(Shared {
            state: RefCell::new(SenderState::Waiting),
            changes: RefCell::default(),
            waiting: RefCell::default(),
        });
        self.publisher = Some(Publisher(shared.clone()));
        if self.machine.is_stopped() {
            self.publish(SenderState::Stopped);
        }
        self.resource = match std::mem::replace(&mut self.resource, Resource::None) {
            Resource::Connection(MaybeSplit::Whole(ws)) => Resource::Connection(self.wrap(*ws)),
            other => other,
        };
        (Sender { shared: Rc::downgrade(&shared) }, Receiver { inner: self })
    }

    /// Wraps a new connection, whole or split like this client.
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
        if let Some(Publisher(shared)) = &self.publisher {
            shared.publish(state);
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
    /// [`Error::Closed`] if the client has stopped or the other half was dropped: nothing was sent.
    ///
    /// # Cancel safety
    /// If the future is dropped, the message was not sent.
    pub async fn send(&self, message: impl Into<Message>) -> Result<()> {
        let message = message.into();
        while let Some(shared) = self.shared.upgrade() {
            let (state, since) = (shared.state.borrow().clone(), *shared.changes.borrow());
            match state {
                SenderState::Waiting => {}
                SenderState::Stopped => break,
                SenderState::Open(sender) => match sender.send(message.clone()).await {
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
            Resource::Connection(connection) => connection.receiver(),
            _ => None,
        }
    }
}

impl fmt::Debug for Sender {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match self.shared.upgrade().map(|shared| shared.state.borrow().clone()) {
            Some(SenderState::Waiting) => "Waiting",
            Some(SenderState::Open(_)) => "Open",
            Some(SenderState::Stopped) | None => "Stopped",
        };
        f.debug_struct("Sender").field("state", &state).finish()
    }
}

impl fmt::Debug for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver").field("inner", &self.inner).finish()
    }
}
