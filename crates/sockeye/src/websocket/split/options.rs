/// The options of the queue of a [`Sender`](super::Sender).
///
/// ```
/// use sockeye::split::{SendQueue, WhenFull};
///
/// let queue = SendQueue::new().capacity(64 * 1024).when_full(WhenFull::DropOldest);
/// # let _ = queue;
/// ```
#[derive(Clone, Copy, Debug)]
pub struct SendQueue {
    pub(super) capacity: u32,
    pub(super) when_full: WhenFull,
}

/// The policy of [`Sender::send`](super::Sender::send) for a message that does not fit into the
/// queue, because the peer does not keep up: the transport takes nothing, and the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// `send` waits.
    #[default]
    Wait,
    /// The new message is dropped.
    DropNewest,
    /// The oldest queued messages are dropped, as many as needed. If the remaining ones are all
    /// being written, the new message is dropped.
    DropOldest,
    /// The connection is closed with 1013 (try again later), and all queued messages are dropped.
    /// The peer has [`Config::close_timeout`](crate::Config::close_timeout()) to read the messages
    /// being written, and the close frame.
    Disconnect,
}

impl SendQueue {
    /// Creates a queue of 1 MiB that waits when it is full.
    pub const fn new() -> Self {
        Self { capacity: 1 << 20, when_full: WhenFull::Wait }
    }

    /// Sets the capacity of the queue, in bytes. Default: 1 MiB.
    ///
    /// A message counts its length plus 64 bytes until it is written. A message that is longer than
    /// the capacity is taken once all others are written.
    pub const fn capacity(self, bytes: u32) -> Self {
        // A queue without capacity would take nothing.
        Self { capacity: if bytes == 0 { 1 } else { bytes }, ..self }
    }

    /// Sets the policy for messages that do not fit into the queue. Default: [`WhenFull::Wait`].
    pub const fn when_full(self, when_full: WhenFull) -> Self {
        Self { when_full, ..self }
    }
}

impl Default for SendQueue {
    fn default() -> Self {
        Self::new()
    }
}
