mod backlog;
mod connection;
mod handle;
mod observer;
mod pump;
mod registry;
mod serving;

use std::fmt;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::ops::Deref;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use sockeye::split::Receiver;
use sockeye::{Message, Rtt};

pub use connection::SessionMetrics;
pub(crate) use connection::{Connection, Delivered};
pub use handle::SessionHandle;
pub(crate) use observer::{MembershipObserver, OnMissed};
pub(crate) use pump::spawn_pump;
pub(crate) use registry::Registry;

use crate::core::topics::MemberKey;
use crate::core::{RoomName, SessionId, UserId};
use crate::disconnect::Disconnect;
use crate::encoder::Missed;

/// A session: one client's connection to the hub, with the application's state.
///
/// The session receives; everything else is on its [`SessionHandle`], to which it dereferences, and
/// which other tasks may clone. Await [`recv`](Self::recv) continuously: it also answers pings and
/// detects the end of the connection.
///
/// # Drop
/// Dropping the session ends it: it leaves its rooms, and the connection is closed with 1001 (going
/// away) unless it is closed already.
pub struct Session<S = ()> {
    handle: SessionHandle<S>,
    receiver: Receiver,
    /// The round-trip time that the pong hook was called with.
    rtt: Option<Rtt>,
}

/// The state of a session that its handles and the hub share.
#[derive(Debug)]
pub(crate) struct SessionShared<S> {
    pub(crate) id: SessionId,
    pub(crate) slot: u32,
    pub(crate) user: Option<UserId>,
    pub(crate) state: S,
    pub(crate) connection: Connection,
    observer: Option<Arc<dyn MembershipObserver>>,
    /// Set once the session has ended.
    ended: AtomicBool,
}

impl<S> SessionShared<S> {
    pub(crate) fn new(
        id: SessionId,
        slot: u32,
        user: Option<UserId>,
        state: S,
        connection: Connection,
        observer: Option<Arc<dyn MembershipObserver>>,
    ) -> Self {
        Self { id, slot, user, state, connection, observer, ended: AtomicBool::new(false) }
    }

    pub(crate) fn sees_presence(&self, room: &RoomName) -> bool {
        self.observer.as_ref().is_none_or(|observer| observer.sees_presence(room))
    }

    pub(crate) fn on_left(&self, room: &RoomName) {
        if let Some(observer) = &self.observer {
            observer.on_left(room);
        }
    }

    pub(crate) fn on_missed(&self, room: &RoomName, missed: &Missed) -> OnMissed {
        let observer = self.observer.as_ref();
        observer.map_or(OnMissed::Continue, |observer| observer.on_missed(room, missed))
    }

    pub(crate) fn member(&self) -> MemberKey {
        MemberKey(self.slot)
    }

    /// Marks the session as ended. Returns whether this is new.
    pub(crate) fn end(&self) -> bool {
        !self.ended.swap(true, Ordering::AcqRel)
    }

    pub(crate) fn is_over(&self) -> bool {
        self.ended.load(Ordering::Acquire)
    }
}

impl<S: Send + Sync + 'static> Session<S> {
    pub(crate) fn new(handle: SessionHandle<S>, receiver: Receiver) -> Self {
        Self { handle, receiver, rtt: None }
    }

    /// Returns the client's next message; `None` after the closing handshake.
    ///
    /// # Errors
    /// Same as [`sockeye::WebSocket::recv`]. The session is over then.
    ///
    /// # Cancel safety
    /// No message is lost.
    pub async fn recv(&mut self) -> sockeye::Result<Option<Message>> {
        match poll_fn(|cx| self.poll_recv(cx)).await {
            Ok(Some(message)) => {
                self.handle.on_message(&message);
                Ok(Some(message))
            }
            Ok(None) => {
                self.handle.end(&self.closed());
                Ok(None)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.handle.on_error(&error);
                self.handle.end(&Disconnect::Failed(error.clone()));
                // The hooks may have kept the error; then the caller gets a copy of what it says.
                Err(Arc::try_unwrap(error)
                    .unwrap_or_else(|error| std::io::Error::other(error).into()))
            }
        }
    }

    fn poll_recv(&mut self, cx: &mut Context<'_>) -> Poll<sockeye::Result<Option<Message>>> {
        // The future has no state of its own.
        let received = pin!(self.receiver.recv()).poll(cx);
        let rtt = self.receiver.rtt();
        if let Some(rtt) = rtt.filter(|_| rtt != self.rtt) {
            self.rtt = Some(rtt);
            self.handle.on_pong(rtt.last());
        }
        received
    }

    /// Returns a handle to the session, for other tasks.
    pub fn handle(&self) -> SessionHandle<S> {
        self.handle.clone()
    }

    /// Returns the client's address: see [`sockeye::WebSocket::peer_addr`].
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.receiver.peer_addr()
    }

    /// Returns the connection's receiving half, for what the session does not have itself: the
    /// round-trip time, the subprotocol, the data of the upgrade.
    pub fn receiver(&self) -> &Receiver {
        &self.receiver
    }

    fn closed(&self) -> Disconnect {
        match self.handle.shared().connection.closed() {
            Some(frame) => Disconnect::Server(frame),
            None => Disconnect::Client(self.receiver.close_frame().cloned()),
        }
    }
}

impl<S> Deref for Session<S> {
    type Target = SessionHandle<S>;

    fn deref(&self) -> &SessionHandle<S> {
        &self.handle
    }
}

impl<S> Drop for Session<S> {
    fn drop(&mut self) {
        self.handle.on_dropped();
    }
}

impl<S> fmt::Debug for Session<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("handle", &self.handle).finish_non_exhaustive()
    }
}
