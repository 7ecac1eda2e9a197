//! The calls of the program.

use std::time::Duration;

use bytes::Bytes;

use super::super::control::Control;
use super::super::frame::Frame;
use super::super::receiving::{ReceiveError, Received};
use super::super::sending::SendError;
use super::super::{Direction, StreamId, varint};
use super::{LINGER, Multiplexer, SessionEnd};

impl Multiplexer {
    /// Opens a stream; `None` if the peer's limit is reached, or is not known yet.
    pub fn open(&mut self, direction: Direction) -> Option<StreamId> {
        let peer = self.peer.filter(|_| self.end.is_none())?;
        let id = self.streams.open(direction, &peer);
        if id.is_none() {
            self.control.push(Control::StreamsBlocked(direction));
        }
        id
    }

    /// Returns the next stream that the peer has opened; `None` if there is none.
    pub fn accept(&mut self, direction: Direction) -> Option<StreamId> {
        let id = self.streams.accept(direction)?;
        self.close_stream(id);
        Some(id)
    }

    /// Copies as much of `data` as fits the buffer of a stream, and returns its length. With less
    /// than all of `data`, [`Event::Writable`](super::Event::Writable) follows.
    ///
    /// # Errors
    /// The reason why the stream takes no more data.
    pub fn write(&mut self, id: StreamId, data: &[u8]) -> Result<usize, SendError> {
        let (capacity, max_payload) = (self.config.send_buffer as usize, self.max_payload());
        if self.end.is_some() {
            return Err(SendError::Ended);
        }
        let half = self.streams.send_half(id).ok_or(SendError::Finished)?;
        if let Some(error) = half.error() {
            return Err(error);
        }
        let length = half.write(data, capacity, max_payload);
        self.unsent += length;
        self.schedule(id);
        Ok(length)
    }

    /// Ends a stream after the data that was written.
    ///
    /// # Errors
    /// The reason why the stream had ended before.
    pub fn finish_stream(&mut self, id: StreamId) -> Result<(), SendError> {
        if self.end.is_some() {
            return Err(SendError::Ended);
        }
        let half = self.streams.send_half(id).ok_or(SendError::Finished)?;
        if let Some(error) = half.error() {
            return Err(error);
        }
        half.finish();
        self.schedule(id);
        Ok(())
    }

    /// Abandons a stream and the data that was not sent, unless everything was sent.
    pub fn reset(&mut self, id: StreamId, code: u64) {
        let Some(half) = self.streams.send_half(id) else { return };
        let unsent = half.buffered();
        if half.reset(code) && self.end.is_none() {
            self.unsent -= unsent;
            self.control.push(Control::ResetStream(id));
            self.unblock(id);
        }
    }

    /// Sets the priority of a stream: a stream sends before all streams of lower priorities. Default:
    /// 0.
    pub fn set_priority(&mut self, id: StreamId, priority: i32) {
        let Some(half) = self.streams.send_half(id) else { return };
        let is_queued = half.is_queued;
        let before = half.set_priority(priority);
        if is_queued && before != priority {
            self.scheduler.reorder(id, before, priority);
        }
    }

    /// Returns the code with which the peer has stopped a stream.
    pub fn stopped(&mut self, id: StreamId) -> Option<u64> {
        self.streams.send_half(id)?.stopped()
    }

    /// Returns whether the transport has taken everything of a stream, or the stream was reset.
    pub fn is_sent(&mut self, id: StreamId) -> bool {
        self.streams.send_half(id).is_none_or(|half| half.is_done())
    }

    /// Drops the program's handle of a sending half. A stream that was not finished is reset with
    /// code 0.
    pub fn release_send(&mut self, id: StreamId) {
        let Some(half) = self.streams.send_half(id) else { return };
        half.is_released = true;
        if half.error().is_none() {
            self.reset(id, 0);
        }
        self.close_stream(id);
    }

    /// Reads at most `max` bytes of a stream; at least 1. Data that had arrived can be read after the
    /// end of the session, too.
    ///
    /// # Errors
    /// The reason why the stream has no more data.
    pub fn read(&mut self, id: StreamId, max: usize) -> Result<Received, ReceiveError> {
        if self.is_over_budget {
            return Err(ReceiveError::Ended);
        }
        let Some(half) = self.streams.recv_half(id) else { return Err(ReceiveError::Stopped) };
        let received = half.read(max.max(1))?;
        match &received {
            Received::Data(data) => {
                let length = data.len();
                let max_window = self.config.max_stream_window.into();
                if half.needs_update(max_window, &mut self.growth) {
                    self.control.push(Control::MaxStreamData(id));
                }
                self.on_read(length);
                self.close_stream(id);
            }
            Received::Blocked if self.end.is_some() => return Err(ReceiveError::Ended),
            Received::Blocked | Received::End => {}
        }
        Ok(received)
    }

    /// Returns whether all data of a stream has arrived, or the program has stopped the stream. What
    /// has arrived may be unread.
    ///
    /// # Errors
    /// The code with which the peer has abandoned the stream.
    pub fn is_received(&mut self, id: StreamId) -> Result<bool, u64> {
        self.streams.recv_half(id).map_or(Ok(true), |half| half.is_received())
    }

    /// Reads no more of a stream. Data that has arrived or will arrive is discarded.
    pub fn stop(&mut self, id: StreamId, code: u64) {
        let Some(half) = self.streams.recv_half(id) else { return };
        let (is_owed, unread) = half.stop(code);
        if is_owed && self.end.is_none() {
            self.control.push(Control::StopSending(id));
        }
        self.on_read(unread);
        self.close_stream(id);
    }

    /// Drops the program's handle of a receiving half. A stream that was not read to its end is
    /// stopped with code 0.
    pub fn release_receive(&mut self, id: StreamId) {
        let Some(half) = self.streams.recv_half(id) else { return };
        half.is_released = true;
        self.stop(id, 0);
    }

    /// Returns the maximum length of a datagram, in bytes; `None` if the peer accepts none, or has
    /// not said so yet.
    pub fn max_datagram_length(&self) -> Option<usize> {
        let peer = self.peer.filter(|peer| peer.max_datagram_frame_size > 0)?;
        let frame = peer.max_datagram_frame_size.min(peer.max_record_size);
        let length = frame.checked_sub(1 + varint::size(frame) as u64)?;
        Some(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// Queues a datagram, whose length is at most [`max_datagram_length`]. A full queue drops and
    /// counts the datagram.
    ///
    /// [`max_datagram_length`]: Self::max_datagram_length
    pub fn send_datagram(&mut self, datagram: Bytes) {
        let fits = self.max_datagram_length().is_some_and(|max| datagram.len() <= max);
        if fits && self.end.is_none() {
            self.outgoing.push(datagram);
        }
    }

    /// Returns the next datagram that has arrived.
    pub fn read_datagram(&mut self) -> Option<Bytes> {
        self.incoming.pop()
    }

    /// Closes the session. Data that was not sent is dropped.
    pub fn close(&mut self, code: u64, reason: &str) {
        if self.end.is_none() {
            let frame = Frame::ApplicationClose { code, reason: reason.into() };
            self.last = Some(self.encode(&frame));
            self.finish(SessionEnd::Closed);
        }
    }

    /// Records that the program has dropped everything: the session closes with code 0 when what was
    /// written is sent, within 30 s.
    pub fn release(&mut self, now: Duration) {
        self.linger_until = Some(now.saturating_add(LINGER));
    }
}
