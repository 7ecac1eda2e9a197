use std::sync::Arc;

use sockeye_proto::{Message, Prepared};

use super::HandleError;
use super::command_queue::Workers;

/// A way to all connections of a server, from any thread and at any time: before the first connection
/// ([`Listening::broadcaster`](super::Listening::broadcaster)) as well as without one. A clone is a way to the same ones.
///
/// ```no_run
/// use std::thread;
/// use std::time::Duration;
///
/// use sockeye::push::{Callbacks, Server};
///
/// # fn main() -> sockeye::Result<()> {
/// let listening = Server::new(Callbacks::new).listen("127.0.0.1:8080")?;
/// let everybody = listening.broadcaster();
/// thread::spawn(move || {
///     // Until the server has stopped.
///     while everybody.broadcast("tick").is_ok() {
///         thread::sleep(Duration::from_secs(1));
///     }
/// });
/// listening.run()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Broadcaster {
    workers: Arc<Workers>,
}

impl Broadcaster {
    pub(super) fn new(workers: Arc<Workers>) -> Self {
        Self { workers }
    }

    /// Sends a message to all connections of the server that are open: one command to each worker, which writes the shared
    /// payload to its own connections. It is [`Prepared`] for that: compressed once, and by itself.
    ///
    /// # Errors
    /// [`HandleError::Full`] or [`HandleError::Stopped`] when some worker did not take it; the others did.
    pub fn broadcast(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// As [`broadcast`](Self::broadcast), of a message that was prepared before.
    ///
    /// # Errors
    /// As [`broadcast`](Self::broadcast).
    pub fn broadcast_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.workers.broadcast(prepared)
    }
}
