/// How a [`Sender`](super::Sender) queues.
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

/// What [`Sender::send`](super::Sender::send) does with a message for which there is no room, because the peer does not
/// keep up: the transport takes nothing, and the queue is full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WhenFull {
    /// It waits.
    #[default]
    Wait,
    /// The message is dropped.
    DropNewest,
    /// The oldest messages that wait are dropped, as many as needed. Where only those are left that are being written,
    /// the new one is dropped.
    DropOldest,
    /// The connection is closed with 1013 (try again later), and all that waits is dropped. The peer has
    /// [`Config::close_timeout`](crate::Config::close_timeout()) to read what is being written, and the close frame.
    Disconnect,
}

impl SendQueue {
    /// A queue of 1 MiB that waits when it is full.
    pub const fn new() -> Self {
        Self { capacity: 1 << 20, when_full: WhenFull::Wait }
    }

    /// How much may wait to be written, in bytes. Default: 1 MiB.
    ///
    /// A message counts its length and 64 bytes until it is written. One that is longer than the capacity is taken when
    /// nothing else waits.
    pub const fn capacity(self, bytes: u32) -> Self {
        // A queue without any room would take nothing.
        Self { capacity: if bytes == 0 { 1 } else { bytes }, ..self }
    }

    /// What happens to a message for which there is no room. Default: [`WhenFull::Wait`].
    pub const fn when_full(self, when_full: WhenFull) -> Self {
        Self { when_full, ..self }
    }
}

impl Default for SendQueue {
    fn default() -> Self {
        Self::new()
    }
}
