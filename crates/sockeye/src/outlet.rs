//! One interface to the sending side of every kind of connection.

use std::fmt;

use sockeye_proto::{CloseCode, Prepared, UsageError};

use crate::close_payload::ClosePayload;
#[cfg(unix)]
use crate::push::{Handle, HandleError};
use crate::split::{Sender, TrySendError};

/// The sending side of a connection, for code that sends to many connections of different servers:
/// the tasks of [`Server`](crate::Server), axum or hyper ([`split::Sender`](Sender)), and the
/// workers of a handler server ([`push::Handle`](crate::push::Handle)).
///
/// No method waits, and each may be called from any thread. Values are cheap to clone before they
/// are boxed.
///
/// ```no_run
/// use sockeye::split::TrySendError;
/// use sockeye::{CloseCode, Outlet, Prepared};
///
/// /// Sends to all, closes those whose queue is full, and forgets those that are gone.
/// fn broadcast(room: &mut Vec<Box<dyn Outlet>>, message: &Prepared) {
///     room.retain(|outlet| match outlet.try_send_prepared(message) {
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
        Self::try_send_prepared(self, prepared).map_err(|error| match error {
            HandleError::Full => TrySendError::Full(()),
            // A prepared message is always valid, so no usage error occurs.
            HandleError::Closed(_) | HandleError::Stopped | HandleError::Usage(_) => {
                TrySendError::Closed(())
            }
        })
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
