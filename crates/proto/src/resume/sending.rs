use bytes::Bytes;

use super::byte_queue::ByteQueue;
use super::error::ResumeError;
use super::frame::{EncodedFrame, Frame, MAX_DATA_LENGTH, Position};

/// The direction from this end to the other: the bytes from the first that the other program has
/// not read to the last that the local program has written.
///
/// ```text
///        acked             sent        end
///   read   │ sent, not read  │ not sent │     total = end + 1 after the program finished
/// ─────────┴─────────────────┴──────────┴──
/// ```
#[derive(Debug)]
pub(super) struct Sending {
    buffer: ByteQueue,
    /// Maximum length of `buffer`.
    limit: usize,
    /// The other end's window; 0 until it is known.
    window: u64,
    /// The offset of the first byte in `buffer`.
    base: u64,
    /// The position that the other end has acknowledged: `base`, or one more after the end.
    acked: u64,
    /// The position up to which the current WebSocket has taken the stream.
    sent: u64,
    /// The highest value that `sent` ever had.
    highest: u64,
    finished: bool,
}

impl Sending {
    pub(super) fn new(limit: usize) -> Self {
        let buffer = ByteQueue::default();
        Self { buffer, limit, window: 0, base: 0, acked: 0, sent: 0, highest: 0, finished: false }
    }

    pub(super) const fn set_window(&mut self, window: u32) {
        self.window = window as u64;
    }

    /// Returns how many bytes can be written.
    pub(super) fn capacity(&self) -> usize {
        if self.finished { 0 } else { self.limit.saturating_sub(self.buffer.len()) }
    }

    /// Takes as many bytes as fit, and returns their number.
    pub(super) fn write(&mut self, bytes: &[u8]) -> usize {
        let taken = &bytes[..bytes.len().min(self.capacity())];
        self.buffer.extend(taken);
        taken.len()
    }

    /// Removes as many bytes from `bytes` as fit, without a copy if there are many.
    pub(super) fn write_chunk(&mut self, bytes: &mut Bytes) {
        let length = bytes.len().min(self.capacity());
        self.buffer.push(bytes.split_to(length));
    }

    /// Returns how many bytes no WebSocket has taken.
    pub(super) fn unsent(&self) -> u64 {
        self.end().saturating_sub(self.sent)
    }

    pub(super) const fn finish(&mut self) {
        self.finished = true;
    }

    pub(super) const fn is_finished(&self) -> bool {
        self.finished
    }

    /// Returns whether the WebSocket has taken everything.
    pub(super) fn is_sent(&self) -> bool {
        self.sent == self.total()
    }

    /// Returns whether the other program has read everything.
    pub(super) fn is_acked(&self) -> bool {
        self.acked == self.total()
    }

    /// Returns the allocated memory, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.buffer.memory()
    }

    /// Drops the data after the session has ended.
    pub(super) fn clear(&mut self) {
        self.buffer = ByteQueue::default();
    }

    /// Begins to send on another WebSocket, after what the other end has received.
    pub(super) fn attach(&mut self, peer: Position) -> Result<(), ResumeError> {
        self.check(peer.read, self.acked)?;
        self.check(peer.received, peer.read)?;
        self.sent = peer.received;
        self.release(peer.read);
        Ok(())
    }

    /// Handles an acknowledgement.
    pub(super) fn acknowledge(&mut self, read: u64) -> Result<(), ResumeError> {
        if read < self.acked || read > self.sent {
            return Err(Self::gap(read, self.acked, self.sent));
        }
        self.release(read);
        Ok(())
    }

    /// Returns the next frame that the window allows.
    pub(super) fn poll_transmit(&mut self) -> Option<EncodedFrame> {
        let end = self.end();
        if self.sent == end {
            if !self.finished {
                return None;
            }
            self.on_sent(end + 1);
            return Some(Frame::Fin { offset: end }.into());
        }
        if self.sent > end {
            return None;
        }
        let offset = self.sent;
        let start = usize::try_from(offset - self.base).ok()?;
        let allowed = self.window.saturating_sub(offset - self.base);
        let allowed = usize::try_from(allowed).unwrap_or(usize::MAX).min(MAX_DATA_LENGTH);
        if allowed == 0 {
            return None;
        }
        // A frame lies within one chunk of the buffer; the next frame continues.
        let data = self.buffer.part(start, allowed);
        self.on_sent(offset + data.len() as u64);
        Some(EncodedFrame::data(offset, data))
    }

    fn on_sent(&mut self, position: u64) {
        self.sent = position;
        self.highest = self.highest.max(position);
    }

    /// Drops what the other program has read.
    fn release(&mut self, read: u64) {
        let bytes = read.min(self.end());
        let length = usize::try_from(bytes - self.base).unwrap_or(usize::MAX);
        self.buffer.skip(length);
        self.base = bytes;
        self.acked = read;
    }

    /// Checks that a position of the other end is possible.
    fn check(&self, stated: u64, lowest: u64) -> Result<(), ResumeError> {
        if stated < lowest || stated > self.highest {
            return Err(Self::gap(stated, lowest, self.highest));
        }
        Ok(())
    }

    const fn gap(stated: u64, lowest: u64, highest: u64) -> ResumeError {
        ResumeError::Gap { stated, lowest, highest }
    }

    fn end(&self) -> u64 {
        self.base + self.buffer.len() as u64
    }

    fn total(&self) -> u64 {
        self.end() + u64::from(self.finished)
    }
}
