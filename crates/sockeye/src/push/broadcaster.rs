use std::sync::Arc;

use sockeye_proto::{Message, Prepared};

use super::HandleError;
use super::command_queue::Workers;

/// A handle that sends to all connections of a server, from any thread and at any time, even before
/// the first connection ([`Listening::broadcaster`](super::Listening::broadcaster)). Clones send to
/// the same connections.
///
/// ```no_run
/// use std::thread;
/// use std::time::Duration;
///
/// use sockeye::push::{Callbacks, Server};
///
/// # fn main() -> sockeye::Result<()> {
/// let listening = Server::new(Callbacks::new).listen("127.0.0.1:8080")?;
/// let broadcaster = listening.broadcaster();
/// thread::spawn(move || {
///     // Until the server has stopped.
///     while broadcaster.broadcast("tick").is_ok() {
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

    /// Sends a message to all open connections of the server. Each worker receives one command and
    /// writes the shared payload to its connections. The message is sent as [`Prepared`]:
    /// compressed once, independently of earlier messages.
    ///
    /// # Errors
    /// [`HandleError::Full`] or [`HandleError::Stopped`] when some worker did not accept the
    /// command; the other workers did.
    pub fn broadcast(&self, message: impl Into<Message>) -> Result<(), HandleError> {
        self.broadcast_prepared(&Prepared::new(message))
    }

    /// Sends a prepared message to all open connections, like [`broadcast`](Self::broadcast).
    ///
    /// # Errors
    /// Same as [`broadcast`](Self::broadcast).
    pub fn broadcast_prepared(&self, prepared: &Prepared) -> Result<(), HandleError> {
        self.workers.broadcast(prepared)
    }
}
