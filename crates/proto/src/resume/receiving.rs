use std::time::Duration;

use bytes::Bytes;

use super::byte_queue::ByteQueue;
use super::error::FrameError;
use super::frame::Position;

/// Number of bytes that are acknowledged without a delay even if the window is longer: the other end
/// keeps what is not acknowledged, and memory that is used again soon is in the processor's cache.
const MAX_UNANNOUNCED: u64 = 256 * 1024;

/// The direction from the other end to this one: the bytes that have arrived and that the program
/// has not read, and the acknowledgement that is due.
#[derive(Debug)]
pub(super) struct Receiving {
    buffer: ByteQueue,
    /// Maximum length of `buffer`.
    window: usize,
    ack_delay: Duration,
    /// The number of bytes received.
    received: u64,
    /// `true` if the end of the stream has arrived.
    ended: bool,
    /// `true` if what arrives is dropped as if the program had read it.
    discards: bool,
    /// The position that the other end was last told.
    announced: u64,
    /// The time at which the acknowledgement of what was read since is due.
    ack_at: Option<Duration>,
}

impl Receiving {
    pub(super) fn new(window: usize, ack_delay: Duration) -> Self {
        Self {
            buffer: ByteQueue::default(),
            window,
            ack_delay,
            received: 0,
            ended: false,
            discards: false,
            announced: 0,
            ack_at: None,
        }
    }

    pub(super) fn position(&self) -> Position {
        let end = u64::from(self.ended);
        let unread = self.buffer.len() as u64;
        // The end counts as read with the last byte.
        let read = if unread == 0 { self.received + end } else { self.received - unread };
        Position { received: self.received + end, read }
    }

    /// Returns whether the program can read bytes.
    pub(super) fn is_readable(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Returns whether the program has read everything.
    pub(super) fn is_read(&self) -> bool {
        self.ended && self.buffer.is_empty()
    }

    /// Returns whether the program has read everything, and the other end was told.
    pub(super) fn is_announced(&self) -> bool {
        self.is_read() && self.announced == self.position().read
    }

    /// Returns the allocated memory, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.buffer.memory()
    }

    /// Drops the data after the session has ended.
    pub(super) fn clear(&mut self) {
        self.buffer = ByteQueue::default();
    }

    /// Drops what has arrived and what will arrive, as if the program had read it.
    pub(super) fn discard(&mut self, now: Duration) {
        self.discards = true;
        self.clear();
        self.on_read(now);
    }

    /// Handles data, which is a part of `message` if the driver passes that on.
    pub(super) fn handle_data(
        &mut self,
        offset: u64,
        data: &[u8],
        message: Option<&Bytes>,
        now: Duration,
    ) -> Result<(), FrameError> {
        self.check_offset(offset)?;
        let free = self.window.saturating_sub(self.buffer.len());
        if data.len() > free {
            return Err(FrameError::Window { length: data.len(), free });
        }
        self.received += data.len() as u64;
        if self.discards {
            self.on_read(now);
        } else {
            match message {
                Some(message) => self.buffer.push(message.slice_ref(data)),
                None => self.buffer.extend(data),
            }
        }
        Ok(())
    }

    pub(super) fn handle_fin(&mut self, offset: u64, now: Duration) -> Result<(), FrameError> {
        self.check_offset(offset)?;
        self.ended = true;
        if self.buffer.is_empty() {
            self.on_read(now);
        }
        Ok(())
    }

    /// Moves bytes to `into`, and returns their number.
    pub(super) fn read(&mut self, into: &mut [u8], now: Duration) -> usize {
        let length = self.buffer.read(into);
        if length > 0 {
            self.on_read(now);
        }
        length
    }

    /// Returns the next bytes, at most `max`; none if nothing was received.
    pub(super) fn read_chunk(&mut self, max: usize, now: Duration) -> Bytes {
        let chunk = self.buffer.take(max);
        if !chunk.is_empty() {
            self.on_read(now);
        }
        chunk
    }

    /// Records that the other end is told the position by the frame that is sent next.
    pub(super) fn on_announced(&mut self) {
        self.announced = self.position().read;
        self.ack_at = None;
    }

    /// Returns the acknowledgement if one is due.
    pub(super) fn poll_ack(&mut self, now: Duration) -> Option<u64> {
        let due = self.ack_at.is_some_and(|at| at <= now);
        due.then(|| {
            self.on_announced();
            self.announced
        })
    }

    /// Returns the time at which an acknowledgement is due.
    pub(super) const fn ack_at(&self) -> Option<Duration> {
        self.ack_at
    }

    /// Schedules an acknowledgement: at once for the end and for a quarter of the window, so that
    /// the sender never waits for the delay in the middle of its stream, and for
    /// [`MAX_UNANNOUNCED`].
    fn on_read(&mut self, now: Duration) {
        let unannounced = self.position().read - self.announced;
        if unannounced == 0 {
            return;
        }
        if self.is_read() || unannounced >= (self.window as u64 / 4).clamp(1, MAX_UNANNOUNCED) {
            self.ack_at = Some(now);
        } else {
            self.ack_at.get_or_insert(now.saturating_add(self.ack_delay));
        }
    }

    fn check_offset(&self, stated: u64) -> Result<(), FrameError> {
        let expected = self.position().received;
        if stated == expected && !self.ended {
            return Ok(());
        }
        Err(FrameError::Offset { stated, expected })
    }
}
