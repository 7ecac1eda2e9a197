//! One interface to the sending side of every kind of connection.

use std::fmt;
use std::pin::Pin;

use sockeye_proto::{CloseCode, Prepared, UsageError};

use crate::Multicast;
use crate::close_payload::ClosePayload;
#[cfg(unix)]
use crate::push::{Handle, HandleError};
use crate::split::{Sender, TrySendError};

/// A future of [`Outlet::wait_for_capacity`].
pub type CapacityFuture<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// The sending side of a connection, for code that sends to many connections of different servers:
/// the tasks of [`Server`](crate::Server), axum or hyper ([`split::Sender`](Sender)), and the
/// workers of a handler server ([`push::Handle`](crate::push::Handle)).
///
/// No method blocks, and each may be called from any thread. Values are cheap to clone before they
/// are boxed.
///
/// ```no_run
/// use sockeye::split::TrySendError;
/// use sockeye::{CloseCode, Multicast, Outlet, Prepared};
///
/// /// Sends to all, closes those whose queue is full, and forgets those that are gone.
/// fn broadcast(room: &mut Vec<Box<dyn Outlet>>, message: &str) {
///     let mut multicast = Multicast::new(Prepared::new(message));
///     room.retain(|outlet| match outlet.try_send_multicast(&mut multicast) {
///         Ok(()) => true,
///         Err(TrySendError::Full(())) => {
///             let _ = outlet.close(CloseCode::TRY_AGAIN_LATER, "too slow");
///             false
///         }
///         Err(_) => false,
///     });
/// }
/// ```
///
/// | | `split::Sender` | `push::Handle` |
/// |---|---|---|
/// | queue | of the connection: [`SendQueue::capacity`](crate::split::SendQueue::capacity), 1 MiB by default | of the connection: [`max_unwritten`](crate::push::Server::max_unwritten), 16 MiB by default; and of the worker, for all its connections: [`max_command_bytes`](crate::push::Server::max_command_bytes), 64 MiB by default |
/// | a slow peer | fills the queue | fills the queue of the connection, which has capacity again once all is written |
/// | who writes | the writer task; a sender that finds the queue full writes as well | the worker |
pub trait Outlet: fmt::Debug + Send + Sync {
    /// Queues a prepared message if there is capacity. `Ok` means that the message is queued; it is
    /// lost if the connection ends before the message is written.
    ///
    /// # Errors
    /// [`TrySendError::Full`] when the queue has no capacity: see the table above.
    /// [`TrySendError::Closed`] when the connection is over, or is known to be closing.
    fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError<()>>;

    /// Queues the message of a multicast if there is capacity: by the time the multicast is
    /// [sent](Multicast::send). Default: at once, by
    /// [`try_send_prepared`](Self::try_send_prepared).
    ///
    /// # Errors
    /// Same as [`try_send_prepared`](Self::try_send_prepared).
    fn try_send_multicast(&self, multicast: &mut Multicast) -> Result<(), TrySendError<()>> {
        self.try_send_prepared(multicast.prepared())
    }

    /// Waits until [`try_send_prepared`](Self::try_send_prepared) may take a message of `length`
    /// bytes, or the connection is over. Others may use the capacity up meanwhile: send, and wait
    /// again if the outlet is full.
    ///
    /// # Cancel safety
    /// The future can be dropped at any time, and has no effect on others that wait.
    fn wait_for_capacity(&self, length: usize) -> CapacityFuture<'_>;

    /// Begins the closing handshake, after the messages that were queued before. A full queue never
    /// refuses the close frame. Only the first call has an effect, and only while the connection is
    /// open.
    ///
    /// # Errors
    /// For a code that must not be sent or a reason of more than 123 bytes; the connection then
    /// stays open.
    fn close(&self, code: CloseCode, reason: &str) -> Result<(), UsageError>;

    /// Drops the connection without a closing handshake, and discards queued messages; the peer
    /// sees 1006. A full queue never refuses the request. Use `abort` for peers that do not read:
    /// they would never receive a close frame.
    fn abort(&self);

    /// Returns whether the connection is over, or is known to be closing, without taking a lock.
    /// Nothing that is sent once this is `true` reaches the peer. `false` may be outdated by the
    /// time it is returned.
    fn is_closed(&self) -> bool;
}

impl Outlet for Sender {
    fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError<()>> {
        Self::try_send_prepared(self, prepared)
    }

    fn wait_for_capacity(&self, length: usize) -> CapacityFuture<'_> {
        Box::pin(Self::wait_for_capacity(self, length))
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), UsageError> {
        self.close_with(ClosePayload::new(code, reason)?);
        Ok(())
    }

    fn abort(&self) {
        Self::abort(self);
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }
}

#[cfg(unix)]
impl Outlet for Handle {
    fn try_send_prepared(&self, prepared: &Prepared) -> Result<(), TrySendError<()>> {
        Self::try_send_prepared(self, prepared).map_err(|error| refused(&error))
    }

    fn try_send_multicast(&self, multicast: &mut Multicast) -> Result<(), TrySendError<()>> {
        Self::try_send_multicast(self, multicast).map_err(|error| refused(&error))
    }

    fn wait_for_capacity(&self, length: usize) -> CapacityFuture<'_> {
        Box::pin(Self::wait_for_capacity(self, length))
    }

    fn close(&self, code: CloseCode, reason: &str) -> Result<(), UsageError> {
        // A server that has stopped has closed the connection.
        let _ = self.close_with(ClosePayload::new(code, reason)?);
        Ok(())
    }

    fn abort(&self) {
        // A server that has stopped has ended the connection.
        let _ = Self::abort(self);
    }

    fn is_closed(&self) -> bool {
        Self::is_closed(self)
    }
}

#[cfg(unix)]
const fn refused(error: &HandleError) -> TrySendError<()> {
    match error {
        HandleError::Full => TrySendError::Full(()),
        // A prepared message is always valid, so no usage error occurs.
        HandleError::Closed(_) | HandleError::Stopped | HandleError::Usage(_) => {
            TrySendError::Closed(())
        }
    }
}
