use std::fmt;
use std::time::{Duration, Instant};

use super::{Connection, Rtt, State, TransportStatus};
use crate::close::{CloseCode, CloseFrame};
use crate::keepalive::KeepaliveAction;

/// Methods that take the time: the deadlines of the keepalive and of the closing handshake.
impl Connection {
    /// Returns the timeout of the closing handshake:
    /// [`Config::close_timeout()`](super::Config::close_timeout()).
    pub const fn close_timeout(&self) -> Duration {
        self.closing.timeout()
    }

    /// Starts [`Config::close_timeout()`](super::Config::close_timeout()) once the transport has
    /// the local close frame. Returns whether [`poll_timeout`](Connection::poll_timeout) has a new
    /// deadline.
    ///
    /// A driver calls `on_close_written` whenever all output is written and the [`State`] is not
    /// [`State::Open`]; without a pending close frame, the call does nothing. An orderly closing
    /// handshake has no deadline before the call, so that messages before the close frame are not
    /// cut off while a slow peer still reads them: the driver bounds that wait by the progress of
    /// its writes ([`Config::write_timeout()`](super::Config::write_timeout())). After a
    /// [`ProtocolError`](crate::ProtocolError) the timeout starts at once.
    pub fn on_close_written(&mut self, now: Instant) -> bool {
        self.closing.on_close_written(now)
    }

    /// Returns the time at which to call [`Connection::handle_timeout`]; `None` for never.
    ///
    /// The deadline changes only with the [`State`], in `handle_timeout` and in
    /// [`on_close_written`](Connection::on_close_written): between those, a driver need not poll
    /// again. All other deadlines count from the `now` of the first call after their cause.
    pub fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        match self.state() {
            State::Open => self.keepalive.poll_timeout(now),
            State::Closing | State::PeerClosed | State::Closed => self.closing.poll_timeout(now),
        }
    }

    /// Handles a pong that arrived at `now`, and updates [`Connection::rtt`] if the pong answers
    /// the keepalive's ping. A driver that needs the RTT calls `handle_pong` for each
    /// [`Event::Pong`](super::Event::Pong). Returns whether the RTT was updated.
    pub fn handle_pong(&mut self, payload: &[u8], now: Instant) -> bool {
        self.keepalive.measure(payload, now)
    }

    /// Returns the round-trip time, once a keepalive ping was answered. The connection sends
    /// keepalive pings only when the peer is silent, so a connection that is never silent has no
    /// RTT.
    ///
    /// The peer can make the RTT longer or shorter than the true one: a ping carries a number that
    /// can be guessed.
    pub const fn rtt(&self) -> Option<Rtt> {
        self.keepalive.rtt()
    }

    /// Records that the transport accepted output. `waited` is `true` if the transport had accepted
    /// nothing before, so that accepting some shows that the peer is alive.
    ///
    /// A driver calls `handle_written` after a write, once for any number of messages. Without
    /// these calls, a connection sends an unsolicited pong whenever it has sent no ping for
    /// [`Config::ping_after()`](super::Config::ping_after()), although messages were sent.
    #[inline]
    pub fn handle_written(&mut self, waited: bool) {
        self.keepalive.on_written(waited);
    }

    /// Performs the actions that are due at `now`: appends a ping to `out` if the peer was silent,
    /// and an unsolicited pong if only the local end was. `status` returns the progress of the
    /// output, and is called only if a decision depends on it.
    ///
    /// # Errors
    /// [`TimedOut`] if a deadline has passed: the connection is over. A close frame that reports it
    /// may have been appended to `out`: the driver writes as much of `out` as the transport accepts
    /// at once, and then drops the transport.
    pub fn handle_timeout(
        &mut self,
        now: Instant,
        status: impl FnOnce() -> TransportStatus,
        out: &mut Vec<u8>,
    ) -> Result<(), TimedOut> {
        if self.state() != State::Open {
            if !self.closing.is_expired(now) {
                return Ok(());
            }
            let received = self.keepalive.take_received();
            if self.closing.extend_deadline(received, now) {
                return Ok(());
            }
            self.end();
            return Err(TimedOut::Closing);
        }
        let assembling = self.receiving.is_assembling();
        match self.keepalive.handle_timeout(now, assembling, status) {
            KeepaliveAction::Alive => {}
            // An open connection accepts short control frames, so both calls succeed.
            KeepaliveAction::Ping(payload) => drop(self.ping(&payload, out)),
            KeepaliveAction::Heartbeat => drop(self.pong(b"", out)),
            KeepaliveAction::Expired => return Err(self.time_out(TimedOut::Keepalive, out)),
            KeepaliveAction::TooSlow => return Err(self.time_out(TimedOut::MessageTooSlow, out)),
        }
        Ok(())
    }

    /// Ends the connection, and reports the timeout to a peer that may still be there.
    #[cold]
    fn time_out(&mut self, late: TimedOut, out: &mut Vec<u8>) -> TimedOut {
        let (code, reason) = match late {
            TimedOut::MessageTooSlow => (CloseCode::POLICY_VIOLATION, "message too slow"),
            // The code that Python's `websockets` uses for a keepalive timeout.
            _ => (CloseCode::INTERNAL_ERROR, "keepalive timeout"),
        };
        let frame = CloseFrame { code, reason: reason.into() };
        // `close` fails only if a close frame was sent before.
        let _ = self.sending.close(Some(&frame), out);
        self.end();
        late
    }

    /// Ends the connection with a peer that is gone: nothing more is received or sent.
    fn end(&mut self) {
        self.sending.end();
        self.closing.on_end();
    }
}

/// A deadline that has passed: the peer is gone or does not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TimedOut {
    /// The peer was silent, and did not answer a ping within
    /// [`Config::pong_timeout()`](super::Config::pong_timeout()) of its arrival at the peer.
    Keepalive,
    /// The closing handshake was not finished within
    /// [`Config::close_timeout()`](super::Config::close_timeout()).
    Closing,
    /// The transport accepted none of the output within
    /// [`Config::write_timeout()`](super::Config::write_timeout()).
    Writing,
    /// A message did not arrive completely within
    /// [`Config::read_timeout()`](super::Config::read_timeout()).
    Reading,
    /// A message in progress arrived more slowly than
    /// [`Config::min_message_rate`](super::Config::min_message_rate) allows.
    MessageTooSlow,
}

impl fmt::Display for TimedOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Keepalive => "the peer is silent and did not answer a ping",
            Self::Closing => "the closing handshake was not finished in time",
            Self::Writing => {
                "the peer accepted no output in time (if the peer waits to send as well, receive while sending)"
            }
            Self::Reading => "a message was not received completely in time",
            Self::MessageTooSlow => "a message arrived too slowly",
        })
    }
}

impl std::error::Error for TimedOut {}
