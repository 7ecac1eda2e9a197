//! Pings, the idle timeout, and the timeout of the first frame.

use std::time::Duration;

use super::{Config, Violation};

/// Timeout of the peer's transport parameters, which it sends unasked: longer than a reconnection
/// of the transport.
const PARAMETERS_TIMEOUT: Duration = Duration::from_secs(30);

/// Minimum interval of pings, whatever idle timeout the peer states.
const MIN_KEEP_ALIVE: Duration = Duration::from_millis(100);

/// The action that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    Ping,
    IdleTimeout,
    ParametersTimeout,
}

#[derive(Debug)]
pub(super) struct Liveness {
    idle_timeout: Option<Duration>,
    keep_alive: Option<Duration>,
    /// Whether the peer's transport parameters have arrived.
    has_parameters: bool,
    received_at: Duration,
    /// The time of the first record that was sent after the last one was received.
    sent_at: Option<Duration>,
    /// The time at which the last ping became due.
    pinged_at: Duration,
    began_at: Duration,
    /// The number of pings that were sent.
    pings: u64,
    /// The number of the peer's last ping.
    peer_ping: Option<u64>,
}

impl Liveness {
    pub(super) const fn new(config: &Config, now: Duration) -> Self {
        Self {
            idle_timeout: config.idle_timeout,
            keep_alive: config.keep_alive,
            has_parameters: false,
            received_at: now,
            sent_at: None,
            pinged_at: now,
            began_at: now,
            pings: 0,
            peer_ping: None,
        }
    }

    /// Applies the peer's idle timeout, in milliseconds.
    pub(super) fn on_parameters(&mut self, idle_timeout: u64) {
        self.has_parameters = true;
        if idle_timeout > 0 {
            let peer = Duration::from_millis(idle_timeout);
            self.idle_timeout = Some(self.idle_timeout.map_or(peer, |own| own.min(peer)));
        }
        if let (Some(keep_alive), Some(idle)) = (&mut self.keep_alive, self.idle_timeout) {
            *keep_alive = (*keep_alive).min(idle / 3).max(MIN_KEEP_ALIVE);
        }
    }

    pub(super) fn on_received(&mut self, now: Duration) {
        self.received_at = now;
        self.sent_at = None;
    }

    /// Records that a record is sent. Only the first one after a received record restarts the idle
    /// timer: otherwise the pings to a dead peer, which the transport takes, would keep the session.
    pub(super) fn on_sent(&mut self, now: Duration) {
        self.sent_at.get_or_insert(now);
    }

    /// Handles a ping, whose answer is owed.
    pub(super) fn on_ping(&mut self, sequence: u64) -> Result<(), Violation> {
        //= https://www.ietf.org/archive/id/draft-ietf-quic-qmux-02.html
        //# If an endpoint receives a QX_PING frame of type 0x348c67529ef8c7bd with a
        //# sequence number less than or equal to the previous sequence number received
        //# in a frame of the same type, the endpoint MUST close the connection
        if let Some(previous) = self.peer_ping.filter(|&previous| sequence <= previous) {
            return Err(Violation::PingOrder { sequence, previous });
        }
        self.peer_ping = Some(sequence);
        Ok(())
    }

    /// Handles the answer to a ping.
    pub(super) const fn on_pong(&self, sequence: u64) -> Result<(), Violation> {
        if sequence < self.pings { Ok(()) } else { Err(Violation::UnknownPing { sequence }) }
    }

    /// Returns the number for the next ping.
    pub(super) const fn next_ping(&mut self) -> u64 {
        self.pings += 1;
        self.pings - 1
    }

    /// Returns the number of the peer's last ping, which an answer states.
    pub(super) const fn peer_ping(&self) -> Option<u64> {
        self.peer_ping
    }

    pub(super) fn poll_timeout(&self) -> Duration {
        let timeouts = [self.idle_at(), self.ping_at(), self.parameters_at()];
        timeouts.into_iter().flatten().min().unwrap_or(Duration::MAX)
    }

    pub(super) fn handle_timeout(&mut self, now: Duration) -> Due {
        let is_due = |at: Option<Duration>| at.is_some_and(|at| at <= now);
        if is_due(self.parameters_at()) {
            return Due::ParametersTimeout;
        }
        if is_due(self.idle_at()) {
            return Due::IdleTimeout;
        }
        if is_due(self.ping_at()) {
            self.pinged_at = now;
            return Due::Ping;
        }
        Due::Nothing
    }

    fn idle_at(&self) -> Option<Duration> {
        let since = self.sent_at.map_or(self.received_at, |at| at.max(self.received_at));
        Some(since.saturating_add(self.idle_timeout?))
    }

    fn ping_at(&self) -> Option<Duration> {
        let since = self.received_at.max(self.pinged_at);
        Some(since.saturating_add(self.keep_alive?))
    }

    fn parameters_at(&self) -> Option<Duration> {
        let at = self.began_at.saturating_add(PARAMETERS_TIMEOUT);
        (!self.has_parameters).then_some(at)
    }
}
