//! The sending half of a stream.

use std::collections::VecDeque;

use bytes::{BufMut, Bytes, BytesMut};

use super::frame::{MAX_STREAM_HEADER, StreamHeader};
use super::{Framing, StreamId};

/// Minimum capacity of a chunk, in bytes.
const MIN_CHUNK: usize = 512;

/// The reason why a stream takes no more data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The peer reads no more, and stated this code.
    Stopped(u64),
    /// The stream was finished or reset.
    Finished,
    /// The session has ended.
    Ended,
}

/// The sending half of a stream.
///
/// ```text
///   Open ──finish──► Finishing ──frame with FIN──► Finished
///    │                   │
///    └──────reset────────┴──► Resetting ──RESET_STREAM──► Reset
/// ```
#[derive(Debug)]
#[expect(clippy::struct_excessive_bools, reason = "facts that do not depend on each other")]
pub(super) struct SendHalf {
    chunks: VecDeque<Chunk>,
    /// Length of the data in `chunks`, in bytes.
    buffered: usize,
    /// Length of the data that was sent, in bytes.
    offset: u64,
    /// Limit of `offset`.
    limit: u64,
    state: State,
    /// The code with which the peer stopped the stream.
    stopped: Option<u64>,
    priority: i32,
    /// Whether the stream is in the scheduler.
    pub(super) is_queued: bool,
    /// Whether the peer knows of the stream from a frame of this end.
    pub(super) is_announced: bool,
    /// The limit that the peer was told to be too low.
    reported: Option<u64>,
    /// Whether a write found the buffer full.
    writer_waits: bool,
    /// Whether the program has dropped its handle.
    pub(super) is_released: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Open,
    Finishing,
    Finished,
    Resetting { code: u64 },
    Reset,
}

/// Data with space before it for the header of its frame.
#[derive(Debug)]
struct Chunk {
    bytes: BytesMut,
    /// The begin of the data that was not sent, at least [`MAX_STREAM_HEADER`].
    start: usize,
}

/// The next step of a stream in the scheduler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Sends data of this length.
    Send { length: usize, fin: bool },
    /// Waits for the limit of the stream.
    StreamBlocked,
    /// Waits for the limit of the session.
    SessionBlocked,
    /// Has nothing to send.
    Idle,
}

impl SendHalf {
    pub(super) const fn new(limit: u64, is_announced: bool) -> Self {
        Self {
            chunks: VecDeque::new(),
            buffered: 0,
            offset: 0,
            limit,
            state: State::Open,
            stopped: None,
            priority: 0,
            is_queued: false,
            is_announced,
            reported: None,
            writer_waits: false,
            is_released: false,
        }
    }

    pub(super) const fn offset(&self) -> u64 {
        self.offset
    }

    /// Returns the length of the data that was not sent, in bytes.
    pub(super) const fn buffered(&self) -> usize {
        self.buffered
    }

    /// Returns the memory of the data that was not sent, in bytes.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.chunks.iter().map(|chunk| chunk.bytes.capacity()).sum()
    }

    /// Returns the limit for a `STREAM_DATA_BLOCKED` frame, once for each limit.
    pub(super) fn report_blocked(&mut self) -> Option<u64> {
        let is_blocked = self.buffered > 0 && self.offset == self.limit;
        let is_new = is_blocked && self.reported != Some(self.limit);
        is_new.then(|| {
            self.reported = Some(self.limit);
            self.limit
        })
    }

    pub(super) const fn priority(&self) -> i32 {
        self.priority
    }

    /// Sets the priority, and returns the one before.
    pub(super) fn set_priority(&mut self, priority: i32) -> i32 {
        std::mem::replace(&mut self.priority, priority)
    }

    pub(super) const fn stopped(&self) -> Option<u64> {
        self.stopped
    }

    /// Returns whether nothing more will be sent.
    pub(super) const fn is_done(&self) -> bool {
        matches!(self.state, State::Finished | State::Reset)
    }

    /// Returns whether data, or the end of the stream, waits to be sent.
    pub(super) const fn is_pending(&self) -> bool {
        match self.state {
            State::Open => self.buffered > 0,
            State::Finishing | State::Resetting { .. } => true,
            State::Finished | State::Reset => false,
        }
    }

    /// Returns the reason why a write fails.
    pub(super) fn error(&self) -> Option<SendError> {
        match (self.stopped, self.state) {
            (Some(code), _) => Some(SendError::Stopped(code)),
            (None, State::Open) => None,
            (None, _) => Some(SendError::Finished),
        }
    }

    /// Copies as much of `data` as fits a buffer of `capacity` bytes, in chunks of at most
    /// `max_payload` bytes, and returns its length.
    pub(super) fn write(&mut self, data: &[u8], capacity: usize, max_payload: usize) -> usize {
        let length = data.len().min(capacity.saturating_sub(self.buffered));
        let mut rest = &data[..length];
        while !rest.is_empty() {
            let chunk = match self.chunks.back_mut() {
                Some(chunk) if chunk.room(max_payload) > 0 => chunk,
                _ => {
                    self.chunks.push_back(Chunk::new(rest.len().clamp(MIN_CHUNK, max_payload)));
                    continue;
                }
            };
            let (now, later) = rest.split_at(rest.len().min(chunk.room(max_payload)));
            chunk.bytes.extend_from_slice(now);
            rest = later;
        }
        self.buffered += length;
        self.writer_waits = length < data.len();
        length
    }

    /// Ends the stream after the data that was written.
    pub(super) fn finish(&mut self) {
        if self.state == State::Open {
            self.state = State::Finishing;
        }
    }

    /// Abandons the stream. Returns whether a `RESET_STREAM` frame is owed.
    pub(super) fn reset(&mut self, code: u64) -> bool {
        if !matches!(self.state, State::Open | State::Finishing) {
            return false;
        }
        self.state = State::Resetting { code };
        self.clear();
        true
    }

    /// Handles `STOP_SENDING`. Returns whether a `RESET_STREAM` frame is owed.
    pub(super) fn on_stop(&mut self, code: u64) -> bool {
        let owed = self.reset(code);
        if owed {
            self.stopped = Some(code);
        }
        owed
    }

    /// Records that the `RESET_STREAM` frame is sent, and returns its code.
    pub(super) fn on_reset_sent(&mut self) -> Option<u64> {
        let State::Resetting { code } = self.state else { return None };
        self.state = State::Reset;
        self.is_announced = true;
        Some(code)
    }

    /// Handles `MAX_STREAM_DATA`. Returns whether the limit has risen.
    pub(super) fn on_limit(&mut self, limit: u64) -> bool {
        let risen = limit > self.limit;
        self.limit = self.limit.max(limit);
        risen
    }

    /// Drops the data after the session has ended.
    pub(super) fn clear(&mut self) {
        self.chunks = VecDeque::new();
        self.buffered = 0;
    }

    pub(super) fn turn(&self, session_credit: u64, max_payload: usize) -> Turn {
        let finishes = match self.state {
            State::Open => false,
            State::Finishing => true,
            _ => return Turn::Idle,
        };
        let Some(chunk) = self.chunks.front() else {
            return if finishes { Turn::Send { length: 0, fin: true } } else { Turn::Idle };
        };
        let credit = self.limit.saturating_sub(self.offset);
        if credit == 0 {
            return Turn::StreamBlocked;
        }
        if session_credit == 0 {
            return Turn::SessionBlocked;
        }
        let credit = usize::try_from(credit.min(session_credit)).unwrap_or(usize::MAX);
        let length = chunk.len().min(max_payload).min(credit);
        Turn::Send { length, fin: finishes && length == self.buffered }
    }

    /// Returns the record of the next frame, whose data has the length that [`turn`](Self::turn)
    /// returned, and whether a writer that waits can continue.
    pub(super) fn transmit(
        &mut self,
        id: StreamId,
        length: usize,
        fin: bool,
        framing: Framing,
    ) -> (Bytes, bool) {
        let mut header = StreamHeader::new(id, self.offset, length, fin);
        if framing == Framing::ByteStream {
            header.prepend_record_size(length);
        }
        let record = match self.chunks.front_mut() {
            Some(chunk) if length == chunk.len() => {
                self.chunks.pop_front().map(|chunk| chunk.into_record(header.bytes()))
            }
            Some(chunk) => Some(chunk.copy_record(header.bytes(), length)),
            None => None,
        };
        self.offset += length as u64;
        self.buffered -= length;
        self.is_announced = true;
        if fin {
            self.state = State::Finished;
        }
        let record = record.unwrap_or_else(|| Bytes::copy_from_slice(header.bytes()));
        (record, std::mem::take(&mut self.writer_waits))
    }
}

impl Chunk {
    fn new(capacity: usize) -> Self {
        let mut bytes = BytesMut::with_capacity(MAX_STREAM_HEADER + capacity);
        bytes.put_bytes(0, MAX_STREAM_HEADER);
        Self { bytes, start: MAX_STREAM_HEADER }
    }

    fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Returns the length of the data that the chunk still takes. Data that was sent counts as
    /// well: a chunk that is never wholly sent must not grow without end.
    fn room(&self, max_payload: usize) -> usize {
        (MAX_STREAM_HEADER + max_payload).saturating_sub(self.bytes.len())
    }

    /// Puts the header before the data, without a copy of the data.
    fn into_record(mut self, header: &[u8]) -> Bytes {
        let begin = self.start - header.len();
        self.bytes[begin..self.start].copy_from_slice(header);
        self.bytes.split_off(begin).freeze()
    }

    /// Copies a part of the data, behind a header.
    fn copy_record(&mut self, header: &[u8], length: usize) -> Bytes {
        let mut record = BytesMut::with_capacity(header.len() + length);
        record.extend_from_slice(header);
        record.extend_from_slice(&self.bytes[self.start..self.start + length]);
        self.start += length;
        record.freeze()
    }
}
