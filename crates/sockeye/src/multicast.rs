//! A message on its way to many connections.

use sockeye_proto::Prepared;

#[cfg(unix)]
use crate::push::WorkerLists;

/// A prepared message on its way to many [outlets](crate::Outlet), which each are added by
/// [`try_send_multicast`](crate::Outlet::try_send_multicast).
///
/// The connections of a handler server are collected, and [`send`](Self::send) queues one command
/// for each worker, with all its connections: one lock and one wake-up, where single messages take
/// one of each for every connection. Other connections have the message as soon as they are added.
///
/// ```no_run
/// use sockeye::{Multicast, Outlet, Prepared};
///
/// /// Sends to all, and forgets those that are gone or do not read.
/// fn publish(room: &mut Vec<Box<dyn Outlet>>, message: &str) {
///     let mut multicast = Multicast::new(Prepared::new(message));
///     room.retain(|outlet| outlet.try_send_multicast(&mut multicast).is_ok());
///     multicast.send();
/// }
/// ```
///
/// # Drop
/// Dropping the multicast sends it: the connections that were added have promised capacity.
#[derive(Debug)]
#[must_use = "a multicast is sent to those that are added"]
pub struct Multicast {
    prepared: Prepared,
    #[cfg(unix)]
    lists: WorkerLists,
}

impl Multicast {
    /// Creates a multicast to nobody, which allocates nothing.
    pub fn new(prepared: Prepared) -> Self {
        Self {
            prepared,
            #[cfg(unix)]
            lists: WorkerLists::default(),
        }
    }

    /// Returns the message.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// Sends the message to the connections that were added.
    pub fn send(self) {
        drop(self);
    }

    #[cfg(unix)]
    pub(crate) fn worker_lists(&mut self) -> &mut WorkerLists {
        &mut self.lists
    }
}

impl Drop for Multicast {
    fn drop(&mut self) {
        #[cfg(unix)]
        self.lists.post(&self.prepared);
    }
}
