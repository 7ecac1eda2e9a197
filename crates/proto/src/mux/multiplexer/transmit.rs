//! Records for the peer.

use std::time::Duration;

use bytes::Bytes;

use super::super::control::Control;
use super::super::frame::Frame;
use super::super::parameters::DEFAULT_MAX_RECORD_SIZE;
use super::super::receiving::RecvHalf;
use super::super::sending::{SendHalf, Turn};
use super::super::streams::Stream;
use super::super::{StreamId, record};
use super::{Event, Multiplexer};

/// Maximum length of the stream data of a record that is sent, in bytes: a frame of a higher priority
/// waits for no more than this. A power of two, so that the buffers of programs fill whole records.
const MAX_SENT_PAYLOAD: usize = 32 * 1024;

/// The part of a record that is not used for stream data, in bytes: the header of the frame. With
/// the default of `max_record_size`, this leaves 16,352 bytes, the most that every version of the
/// package `@moq/qmux` accepts.
const RECORD_OVERHEAD: usize = 30;

/// Length from which a record takes no further control frame, in bytes. No control frame is longer
/// than 40 bytes.
const MAX_CONTROL_RECORD: usize = 4 * 1024;

impl Multiplexer {
    /// Returns the next record to send; `None` if nothing is to be sent at the moment.
    ///
    /// Control frames come first, then datagrams, then the streams in the order of their priority.
    pub fn poll_transmit(&mut self, now: Duration) -> Option<Bytes> {
        let record = self.next_record()?;
        self.liveness.on_sent(now);
        Some(record)
    }

    /// Returns whether [`poll_transmit`](Self::poll_transmit) may return a record.
    pub fn has_output(&self) -> bool {
        if self.end.is_some() {
            return !self.is_flushed();
        }
        self.first.is_some()
            || !self.control.is_empty()
            || !self.outgoing.is_empty()
            || !self.scheduler.is_empty()
            || self.linger_until.is_some()
    }

    /// Returns whether everything was sent that must precede the end of the transport.
    pub const fn is_flushed(&self) -> bool {
        self.first.is_none() && self.last.is_none()
    }

    /// Puts a stream into the scheduler if it may have something to send.
    pub(super) fn schedule(&mut self, id: StreamId) {
        let Some(half) = self.streams.send_half(id) else { return };
        if half.is_pending() && !half.is_queued {
            half.is_queued = true;
            let priority = half.priority();
            self.scheduler.push(id, priority);
        }
    }

    /// Removes a stream that was reset from those that wait for the limit of the session: while the
    /// peer does not raise the limit, streams may come and go without end.
    pub(super) fn unblock(&mut self, id: StreamId) {
        let Some(half) = self.streams.send_half(id) else { return };
        if half.is_queued && self.scheduler.unblock(id) {
            half.is_queued = false;
        }
    }

    /// Puts the streams that waited for the limit of the session into the scheduler.
    pub(super) fn schedule_blocked(&mut self) {
        for id in self.scheduler.take_blocked() {
            if let Some(half) = self.streams.send_half(id) {
                let priority = half.priority();
                self.scheduler.push(id, priority);
            }
        }
    }

    /// Returns the maximum length of the data of a stream frame, in bytes.
    pub(super) fn max_payload(&self) -> usize {
        let limit = self.peer.map_or(DEFAULT_MAX_RECORD_SIZE.into(), |peer| peer.max_record_size);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        limit.saturating_sub(RECORD_OVERHEAD).min(MAX_SENT_PAYLOAD)
    }

    fn next_record(&mut self) -> Option<Bytes> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        if self.end.is_some() {
            return self.last.take();
        }
        if let Some(record) = self.control_record() {
            return Some(record);
        }
        if let Some(datagram) = self.outgoing.pop() {
            return Some(self.encode(&Frame::Datagram(datagram)));
        }
        if let Some(record) = self.stream_record() {
            return Some(record);
        }
        // A stream that is blocked may have owed a frame that says so.
        if let Some(record) = self.control_record() {
            return Some(record);
        }
        if self.linger_until.is_some() && !self.is_pending() {
            self.close(0, "");
            return self.last.take();
        }
        None
    }

    /// Returns whether a stream has something to send.
    fn is_pending(&mut self) -> bool {
        let is_pending =
            |stream: &mut Stream| stream.send.as_ref().is_some_and(SendHalf::is_pending);
        self.streams.iter_mut().any(is_pending)
    }

    fn control_record(&mut self) -> Option<Bytes> {
        if self.control.is_empty() {
            return None;
        }
        let mut bytes = Vec::new();
        while bytes.len() < MAX_CONTROL_RECORD {
            let Some(control) = self.control.pop() else { break };
            self.encode_control(control, &mut bytes);
        }
        (!bytes.is_empty()).then(|| record::finish(bytes, self.framing))
    }

    fn encode_control(&mut self, control: Control, out: &mut Vec<u8>) {
        let frame = match control {
            Control::Ping => Some(Frame::Ping { sequence: self.liveness.next_ping() }),
            Control::Pong => self.liveness.peer_ping().map(|sequence| Frame::Pong { sequence }),
            Control::MaxData => Some(Frame::MaxData(self.window.announce())),
            Control::MaxStreams(direction) => {
                let limit = self.streams.announce(direction);
                Some(Frame::MaxStreams { direction, limit })
            }
            Control::DataBlocked => self.credit.report_blocked().map(Frame::DataBlocked),
            Control::StreamsBlocked(direction) => self
                .streams
                .report_blocked(direction)
                .map(|limit| Frame::StreamsBlocked { direction, limit }),
            Control::MaxStreamData(id) => self
                .streams
                .recv_half(id)
                .and_then(RecvHalf::announce)
                .map(|limit| Frame::MaxStreamData { id, limit }),
            Control::StreamDataBlocked(id) => self
                .streams
                .send_half(id)
                .and_then(SendHalf::report_blocked)
                .map(|limit| Frame::StreamDataBlocked { id, limit }),
            Control::StopSending(id) => {
                self.announce_stream(id, out);
                let code = self.streams.recv_half(id).and_then(RecvHalf::on_stop_sent);
                code.map(|code| Frame::StopSending { id, code })
            }
            Control::ResetStream(id) => self.encode_reset(id),
        };
        if let Some(frame) = frame {
            frame.encode(out);
        }
        if let Control::ResetStream(id) = control {
            self.push_event(Event::Writable(id));
            self.close_stream(id);
        }
    }

    fn encode_reset(&mut self, id: StreamId) -> Option<Frame> {
        let half = self.streams.send_half(id)?;
        let code = half.on_reset_sent()?;
        Some(Frame::ResetStream { id, code, final_size: half.offset() })
    }

    /// Opens a stream at the peer by an empty frame, since peers may refuse a frame of the receiver
    /// of a stream that they do not know.
    fn announce_stream(&mut self, id: StreamId, out: &mut Vec<u8>) {
        if let Some(half) = self.streams.send_half(id).filter(|half| !half.is_announced) {
            half.is_announced = true;
            Frame::Stream { id, offset: 0, data: Bytes::new(), fin: false }.encode(out);
        }
    }

    fn stream_record(&mut self) -> Option<Bytes> {
        let (max_payload, framing) = (self.max_payload(), self.framing);
        while let Some(id) = self.scheduler.pop() {
            let Some(half) = self.streams.send_half(id) else { continue };
            match half.turn(self.credit.free(), max_payload) {
                Turn::Send { length, fin } => {
                    let (record, wakes) = half.transmit(id, length, fin, framing);
                    half.is_queued = half.is_pending();
                    let priority = half.is_queued.then(|| half.priority());
                    if let Some(priority) = priority {
                        self.scheduler.push(id, priority);
                    }
                    self.credit.on_sent(length as u64);
                    self.unsent -= length;
                    if wakes || fin {
                        self.push_event(Event::Writable(id));
                    }
                    self.close_stream(id);
                    return Some(record);
                }
                Turn::StreamBlocked => {
                    half.is_queued = false;
                    self.control.push(Control::StreamDataBlocked(id));
                }
                Turn::SessionBlocked => {
                    self.scheduler.block(id);
                    self.control.push(Control::DataBlocked);
                }
                Turn::Idle => half.is_queued = false,
            }
        }
        None
    }
}
