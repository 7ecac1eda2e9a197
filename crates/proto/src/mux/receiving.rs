//! The receiving half of a stream.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};

use super::{StreamId, Violation};

/// Minimum length of data that is kept in the memory of its record, in bytes. Shorter data is
/// copied, since the record may be a small part of its memory: a driver that reads 64 KiB at a time
/// holds at most eight times as much as the windows allow.
const MIN_SHARED: usize = 8 * 1024;

/// Maximum length of a chunk into which short data is gathered, in bytes.
const MAX_GATHERED: usize = 32 * 1024;

/// The reason why a stream has no more data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// The peer abandoned the stream, and stated this code.
    Reset(u64),
    /// The program stopped the stream.
    Stopped,
    /// The session has ended.
    Ended,
}

/// The result of a read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    /// Data, at least one byte.
    Data(Bytes),
    /// The end of the stream.
    End,
    /// Nothing has arrived yet.
    Blocked,
}

/// The bytes by which the windows of all streams together may still grow.
#[derive(Debug)]
pub(super) struct GrowthPool {
    pub(super) free: u64,
}

/// The receiving half of a stream.
#[derive(Debug)]
pub(super) struct RecvHalf {
    chunks: VecDeque<Bytes>,
    /// Short data after `chunks`.
    gathered: BytesMut,
    /// Length of the data in `chunks` and `gathered`, in bytes.
    buffered: usize,
    /// Length of the data that has arrived, in bytes.
    received: u64,
    /// Limit of `received`, as the peer knows it.
    limit: u64,
    window: u64,
    /// Length by which `window` has grown, in bytes.
    growth: u64,
    end: End,
    stop: Stop,
    /// Whether the peer was blocked by the limit since the last update.
    sender_blocked: bool,
    /// Whether the program has dropped its handle.
    pub(super) is_released: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Open,
    Finished,
    Reset { code: u64 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    No,
    /// A `STOP_SENDING` frame is owed.
    Owed {
        code: u64,
    },
    Done,
}

impl RecvHalf {
    pub(super) fn new(window: u64) -> Self {
        Self {
            chunks: VecDeque::new(),
            gathered: BytesMut::new(),
            buffered: 0,
            received: 0,
            limit: window,
            window,
            growth: 0,
            end: End::Open,
            stop: Stop::No,
            sender_blocked: false,
            is_released: false,
        }
    }

    /// Returns whether the peer will send nothing more, and the program has read everything.
    pub(super) fn is_done(&self) -> bool {
        match self.end {
            End::Open => false,
            End::Finished => self.buffered == 0,
            End::Reset { .. } => true,
        }
    }

    /// Handles a `STREAM` frame. Returns the length of the data that is discarded at once, as the
    /// program reads no more.
    pub(super) fn on_data(
        &mut self,
        id: StreamId,
        offset: u64,
        data: Bytes,
        fin: bool,
    ) -> Result<usize, Violation> {
        let length = data.len();
        match self.end {
            End::Open => {}
            End::Finished if length == 0 && offset == self.received => return Ok(0),
            End::Finished => return Err(Violation::AfterEnd { id }),
            // RFC 9000 section 4.5 only recommends to refuse this. The package `@moq/qmux` 0.3.3
            // sends data that was on its way when it resets a stream.
            End::Reset { .. } => return Ok(length),
        }
        //= https://www.ietf.org/archive/id/draft-ietf-quic-qmux-02.html
        //# When receiving a STREAM frame that carries a payload not immediately
        //# following the payload of the previous STREAM frame for the same Stream ID,
        //# receivers MUST close the connection with an error of type PROTOCOL_VIOLATION.
        if offset != self.received {
            return Err(Violation::OutOfOrder { id, offset, expected: self.received });
        }
        let end = offset + length as u64;
        if end > self.limit {
            return Err(Violation::StreamFlowControl { id, end, limit: self.limit });
        }
        self.received = end;
        if fin {
            self.end = End::Finished;
        }
        if self.stop != Stop::No {
            return Ok(length);
        }
        self.keep(data);
        Ok(0)
    }

    /// Handles a `RESET_STREAM` frame. Returns the length of the data that it skips, which counts
    /// as received and read, and of the data that was unread.
    pub(super) fn on_reset(
        &mut self,
        id: StreamId,
        final_size: u64,
        code: u64,
    ) -> Result<(u64, usize), Violation> {
        match self.end {
            End::Open => {}
            End::Finished if final_size != self.received => {
                let received = self.received;
                return Err(Violation::FinalSize { id, stated: final_size, received });
            }
            // All data has arrived, so that the program can read it.
            End::Finished | End::Reset { .. } => return Ok((0, 0)),
        }
        if final_size > self.limit {
            return Err(Violation::StreamFlowControl { id, end: final_size, limit: self.limit });
        }
        // As above: such a peer may state a size below that of the data that it has sent.
        let final_size = final_size.max(self.received);
        let skipped = final_size - self.received;
        self.received = final_size;
        self.end = End::Reset { code };
        Ok((skipped, self.clear()))
    }

    /// Handles a `STREAM_DATA_BLOCKED` frame.
    pub(super) fn on_blocked(&mut self) {
        self.sender_blocked = true;
    }

    /// Returns at most `max` bytes.
    pub(super) fn read(&mut self, max: usize) -> Result<Received, ReceiveError> {
        if self.stop != Stop::No {
            return Err(ReceiveError::Stopped);
        }
        if let End::Reset { code } = self.end {
            return Err(ReceiveError::Reset(code));
        }
        if self.chunks.is_empty() && !self.gathered.is_empty() {
            self.chunks.push_back(std::mem::take(&mut self.gathered).freeze());
        }
        let Some(front) = self.chunks.front_mut() else {
            return Ok(match self.end {
                End::Finished => Received::End,
                _ => Received::Blocked,
            });
        };
        let data = if front.len() <= max {
            self.chunks.pop_front().unwrap_or_default()
        } else {
            front.split_to(max)
        };
        self.buffered -= data.len();
        Ok(Received::Data(data))
    }

    /// Returns whether all data has arrived, or the program has stopped the stream; as an error, the
    /// code with which the peer has abandoned the stream.
    pub(super) fn is_received(&self) -> Result<bool, u64> {
        match self.end {
            End::Open => Ok(self.stop != Stop::No),
            End::Finished => Ok(true),
            End::Reset { code } => Err(code),
        }
    }

    /// Reads no more. Returns whether a `STOP_SENDING` frame is owed, and the length of the data
    /// that was unread.
    pub(super) fn stop(&mut self, code: u64) -> (bool, usize) {
        if self.stop != Stop::No {
            return (false, 0);
        }
        let is_owed = self.end == End::Open;
        self.stop = if is_owed { Stop::Owed { code } } else { Stop::Done };
        (is_owed, self.clear())
    }

    /// Records that the `STOP_SENDING` frame is sent, and returns its code; `None` if it is no
    /// longer of use.
    pub(super) fn on_stop_sent(&mut self) -> Option<u64> {
        let Stop::Owed { code } = self.stop else { return None };
        self.stop = Stop::Done;
        (self.end == End::Open).then_some(code)
    }

    /// Lets the window grow if it has blocked the peer although the program has read everything,
    /// and returns whether a `MAX_STREAM_DATA` frame is due.
    pub(super) fn needs_update(&mut self, max_window: u64, pool: &mut GrowthPool) -> bool {
        if self.end != End::Open || self.stop != Stop::No {
            return false;
        }
        let was_blocked = self.sender_blocked || self.received == self.limit;
        if was_blocked && self.buffered == 0 {
            self.sender_blocked = false;
            let growth = self.window.min(max_window.saturating_sub(self.window)).min(pool.free);
            self.window += growth;
            self.growth += growth;
            pool.free -= growth;
        }
        let next = self.next_limit();
        next > self.limit && next - self.limit >= (self.window / 2).max(1)
    }

    /// Returns the limit for a `MAX_STREAM_DATA` frame that is sent now; `None` if the peer sends
    /// nothing more.
    pub(super) fn announce(&mut self) -> Option<u64> {
        if self.end != End::Open || self.stop != Stop::No {
            return None;
        }
        self.limit = self.limit.max(self.next_limit());
        Some(self.limit)
    }

    /// Returns the growth of the window to the pool.
    pub(super) fn shrink(&mut self, pool: &mut GrowthPool) {
        pool.free += std::mem::take(&mut self.growth);
    }

    /// Drops the data, and returns its length.
    pub(super) fn clear(&mut self) -> usize {
        self.chunks = VecDeque::new();
        self.gathered = BytesMut::new();
        std::mem::take(&mut self.buffered)
    }

    fn next_limit(&self) -> u64 {
        self.received - self.buffered as u64 + self.window
    }

    fn keep(&mut self, data: Bytes) {
        self.buffered += data.len();
        if data.len() >= MIN_SHARED {
            if !self.gathered.is_empty() {
                self.chunks.push_back(std::mem::take(&mut self.gathered).freeze());
            }
            self.chunks.push_back(data);
            return;
        }
        if self.gathered.len() + data.len() > MAX_GATHERED {
            self.chunks.push_back(std::mem::take(&mut self.gathered).freeze());
        }
        self.gathered.extend_from_slice(&data);
    }
}
