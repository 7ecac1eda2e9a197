//! Records from the peer.

use std::time::Duration;

use bytes::Bytes;

use super::super::control::Control;
use super::super::frame::Frame;
use super::super::record::check_length;
use super::super::sending::SendHalf;
use super::super::{Direction, StreamId, TransportParameters, Violation};
use super::{Event, Multiplexer, SessionEnd};

/// Maximum length of a datagram that is copied rather than kept in the memory of its record, in
/// bytes.
const MAX_COPIED: usize = 8 * 1024;

impl Multiplexer {
    /// Handles the frames of a record. An empty record is allowed.
    ///
    /// # Errors
    /// The rule that the peer broke, which ends the session. The notice to the peer is sent by
    /// [`poll_transmit`](Self::poll_transmit).
    pub fn handle_record(&mut self, mut record: Bytes, now: Duration) -> Result<(), Violation> {
        if self.end.is_some() {
            return Ok(());
        }
        self.liveness.on_received(now);
        let mut handled = check_length(record.len() as u64, self.config.max_record_size.into());
        while handled.is_ok() && !record.is_empty() && self.end.is_none() {
            handled = self.handle_frame(&mut record);
        }
        handled.inspect_err(|&violation| self.fail(violation))
    }

    fn handle_frame(&mut self, record: &mut Bytes) -> Result<(), Violation> {
        let before = record.len();
        let frame = Frame::decode(record)?;
        let length = (before - record.len()) as u64;
        //= https://www.ietf.org/archive/id/draft-ietf-quic-qmux-02.html
        //# If the first frame being received by an endpoint is not a
        //# QX_TRANSPORT_PARAMETERS frame, or if a QX_TRANSPORT_PARAMETERS frame is
        //# received other than as the first frame, the endpoint MUST close the
        //# connection with an error of type PROTOCOL_VIOLATION.
        match (frame, self.peer) {
            (Frame::Parameters(parameters), None) => {
                self.on_parameters(parameters);
                Ok(())
            }
            (Frame::Parameters(_), Some(_)) => Err(Violation::ParametersRepeated),
            (_, None) => Err(Violation::ParametersExpected),
            (frame, Some(peer)) => self.handle_later_frame(frame, length, &peer),
        }
    }

    fn on_parameters(&mut self, peer: TransportParameters) {
        self.peer = Some(peer);
        self.streams.on_parameters(&peer);
        self.credit.on_limit(peer.initial_max_data);
        self.liveness.on_parameters(peer.max_idle_timeout);
        for direction in [Direction::Bidirectional, Direction::Unidirectional] {
            self.push_event(Event::Available(direction));
        }
    }

    fn handle_later_frame(
        &mut self,
        frame: Frame,
        length: u64,
        peer: &TransportParameters,
    ) -> Result<(), Violation> {
        match frame {
            Frame::Stream { id, offset, data, fin } => {
                self.on_data(id, offset, data, fin, peer)?;
            }
            Frame::ResetStream { id, code, final_size } => {
                self.on_reset(id, code, final_size, peer)?;
            }
            Frame::StopSending { id, code } => {
                let stopped =
                    self.sender(id, peer, |half| (half.buffered(), half.on_stop(code)))?;
                if let Some((unsent, true)) = stopped {
                    self.unsent -= unsent;
                    self.control.push(Control::ResetStream(id));
                    self.unblock(id);
                    self.push_event(Event::Writable(id));
                }
            }
            Frame::MaxStreamData { id, limit } => {
                let has_risen = self.sender(id, peer, |half| half.on_limit(limit))?;
                if has_risen == Some(true) {
                    self.schedule(id);
                }
            }
            Frame::StreamDataBlocked { id, .. } => self.on_blocked(id, peer)?,
            Frame::MaxData(limit) => {
                if self.credit.on_limit(limit) {
                    self.schedule_blocked();
                }
            }
            Frame::MaxStreams { direction, limit } => {
                if self.streams.on_limit(direction, limit) {
                    self.push_event(Event::Available(direction));
                }
            }
            Frame::Datagram(data) => self.on_datagram(data, length)?,
            Frame::Ping { sequence } => {
                self.liveness.on_ping(sequence)?;
                self.control.push(Control::Pong);
            }
            Frame::Pong { sequence } => self.liveness.on_pong(sequence)?,
            Frame::ApplicationClose { code, reason } => {
                self.finish(SessionEnd::ClosedByPeer { code, reason });
            }
            Frame::ConnectionClose { code, reason } => {
                self.finish(SessionEnd::Refused { code, reason });
            }
            // The limits rise as the program reads and streams close, whether the peer waits or not.
            Frame::DataBlocked(_)
            | Frame::StreamsBlocked { .. }
            | Frame::Padding
            | Frame::Parameters(_) => {}
        }
        Ok(())
    }

    fn on_data(
        &mut self,
        id: StreamId,
        offset: u64,
        data: Bytes,
        fin: bool,
        peer: &TransportParameters,
    ) -> Result<(), Violation> {
        let length = data.len();
        let (is_new, half) = self.streams.receiver(id, peer)?;
        let Some(half) = half else {
            // The stream may have been reset: see `RecvHalf::on_data`.
            self.on_received(length as u64)?;
            self.on_read(length);
            return Ok(());
        };
        let discarded = half.on_data(id, offset, data, fin)?;
        self.on_received(length as u64)?;
        self.on_opened(id, is_new);
        self.push_event(Event::Readable(id));
        self.on_read(discarded);
        self.close_stream(id);
        Ok(())
    }

    fn on_reset(
        &mut self,
        id: StreamId,
        code: u64,
        final_size: u64,
        peer: &TransportParameters,
    ) -> Result<(), Violation> {
        let (is_new, half) = self.streams.receiver(id, peer)?;
        let Some(half) = half else { return Ok(()) };
        //= https://www.rfc-editor.org/rfc/rfc9000#section-4.5
        //# An endpoint MUST use the final size of the stream to account for all
        //# bytes sent on the stream in its connection-level flow controller.
        let (skipped, unread) = half.on_reset(id, final_size, code)?;
        self.on_received(skipped)?;
        self.on_opened(id, is_new);
        self.push_event(Event::Readable(id));
        self.on_read(unread);
        // A reset skips at most the window of the stream, which fits 32 bits.
        self.on_read(usize::try_from(skipped).unwrap_or(usize::MAX));
        self.close_stream(id);
        Ok(())
    }

    fn on_blocked(&mut self, id: StreamId, peer: &TransportParameters) -> Result<(), Violation> {
        let max_window = self.config.max_stream_window.into();
        let (is_new, half) = self.streams.receiver(id, peer)?;
        if let Some(half) = half {
            half.on_blocked();
            if half.needs_update(max_window, &mut self.growth) {
                self.control.push(Control::MaxStreamData(id));
            }
        }
        self.on_opened(id, is_new);
        Ok(())
    }

    /// Passes a frame of a receiver to the sending half of the stream, unless it was closed.
    fn sender<T>(
        &mut self,
        id: StreamId,
        peer: &TransportParameters,
        handle: impl FnOnce(&mut SendHalf) -> T,
    ) -> Result<Option<T>, Violation> {
        let (is_new, half) = self.streams.sender(id, peer)?;
        let result = half.map(handle);
        self.on_opened(id, is_new);
        Ok(result)
    }

    fn on_opened(&mut self, id: StreamId, is_new: bool) {
        if is_new {
            self.push_event(Event::Opened(id.direction()));
        }
    }

    fn on_datagram(&mut self, data: Bytes, length: u64) -> Result<(), Violation> {
        //= https://www.rfc-editor.org/rfc/rfc9221#section-3
        //# An endpoint that receives a DATAGRAM frame that is larger than the value it
        //# sent in its max_datagram_frame_size transport parameter MUST terminate the
        //# connection with an error of type PROTOCOL_VIOLATION.
        let limit = self.config.parameters().max_datagram_frame_size;
        if limit == 0 {
            return Err(Violation::DatagramRefused);
        }
        if length > limit {
            return Err(Violation::DatagramTooLong { length, limit });
        }
        let data = if data.len() <= MAX_COPIED { Bytes::copy_from_slice(&data) } else { data };
        self.incoming.push(data);
        self.push_event(Event::Datagram);
        Ok(())
    }
}
