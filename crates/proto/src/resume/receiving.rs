use std::collections::VecDeque;
use std::time::Duration;

use super::error::FrameError;
use super::frame::Position;
use super::sending::KEPT_CAPACITY;

/// The direction from the other end to this one: the bytes that have arrived and that the program
/// has not read, and the acknowledgement that is due.
#[derive(Debug)]
pub(super) struct Receiving {
    buffer: VecDeque<u8>,
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
    pub(super) const fn new(window: usize, ack_delay: Duration) -> Self {
        Self {
            buffer: VecDeque::new(),
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
        self.buffer.capacity()
    }

    /// Drops the data after the session has ended.
    pub(super) fn clear(&mut self) {
        self.buffer = VecDeque::new();
    }

    /// Drops what has arrived and what will arrive, as if the program had read it.
    pub(super) fn discard(&mut self, now: Duration) {
        self.discards = true;
        self.clear();
        self.on_read(now);
    }

    pub(super) fn handle_data(
        &mut self,
        offset: u64,
        data: &[u8],
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
            self.buffer.extend(data);
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
        let (front, back) = self.buffer.as_slices();
        let first = front.len().min(into.len());
        into[..first].copy_from_slice(&front[..first]);
        let second = back.len().min(into.len() - first);
        into[first..first + second].copy_from_slice(&back[..second]);
        let length = first + second;
        if length > 0 {
            self.buffer.drain(..length);
            if self.buffer.is_empty() && self.buffer.capacity() > KEPT_CAPACITY {
                self.buffer = VecDeque::new();
            }
            self.on_read(now);
        }
        length
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
    /// the sender never waits for the delay in the middle of its stream.
    fn on_read(&mut self, now: Duration) {
        let unannounced = self.position().read - self.announced;
        if unannounced == 0 {
            return;
        }
        if self.is_read() || unannounced >= (self.window as u64 / 4).max(1) {
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
