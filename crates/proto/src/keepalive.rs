//! Keepalive: pings after silence, the deadline of their pongs, and the minimum rate of a message
//! in progress (RFC 6455 sections 5.5.2 and 5.5.3).

use std::mem;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::compact_duration::CompactDuration;

/// Minimum rate of a message in progress, in bytes per second, by default on servers: the rate that
/// Kestrel and IIS require of request bodies. Input at this rate, over
/// [`Config::pong_timeout`](crate::Config::pong_timeout()), also extends the deadline of a pong,
/// since the pong of a peer that uploads a long message waits behind it.
pub(crate) const DEFAULT_MIN_RATE: u16 = 240;

/// Window over which the rate of a message in progress is measured, and also the grace period of a
/// message. Chosen so that a phone that changes networks within a message is not cut off.
const RATE_WINDOW: Duration = Duration::from_secs(20);

/// Minimum time between two checks of a connection, whatever the configuration says.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The state of a transport at a timeout, as far as its driver knows it.
///
/// The difference between "handed to the transport" and "acknowledged" matters on slow lines: a
/// ping may wait behind megabytes in the send buffer of the system, and its pong cannot be due
/// before the peer's TCP has the ping. On Linux, `TCP_INFO` returns both numbers. A driver that
/// knows nothing beyond its own output leaves `acknowledged` at 0, sets `unacknowledged` to the
/// number of unwritten bytes, and reports progress by
/// [`Connection::handle_written`](crate::Connection::handle_written).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportStatus {
    /// Number of bytes that the peer has acknowledged since some moment in the past, the same for
    /// all calls.
    pub acknowledged: u64,
    /// Number of bytes of output that are not acknowledged: unwritten bytes, and those that the
    /// system holds.
    pub unacknowledged: u64,
    /// `true` if the driver does not read at present, because its output waits for the peer.
    pub paused: bool,
}

/// The keepalive state of a connection.
///
/// ```text
///                 input                          the pong, or enough other input
///              ┌─────────┐              ┌────────────────────────────────────────────┐
///              ▼         │              ▼                                            │
///  Unset ──► Listening ──┴── silence: ping ──► Queued ── acknowledged ──► Delivered ─┤
///     first poll                                  │                           │      └─ expired
///                                                 └── deadline: expired
/// ```
///
/// A ping expires at its deadline. Each acknowledged byte extends the deadline of a queued ping.
///
/// The clock is read when a timer fires and when a ping is answered, not for each message: traffic
/// only counts its bytes. Silence is measured in halves of `ping_after`, so a ping is sent between
/// one half and the whole of it after the last byte of the peer. If nothing was sent for as long,
/// an unsolicited pong breaks the silence of that direction.
#[derive(Debug)]
pub(crate) struct Keepalive {
    ping_after: CompactDuration,
    pong_timeout: CompactDuration,
    /// Number of bytes that arrived in this interval.
    received: u32,
    /// Minimum rate of a message, in bytes per second; 0 for none.
    min_rate: u16,
    /// Number of pings that were sent, modulo 256: the last byte of the last ping.
    nonce: u8,
    /// Progress of the output in this interval.
    written: Written,
    /// The end of the interval; `None` before the first poll, and if it is not representable.
    due: Option<Instant>,
    rtt: Option<Rtt>,
    checks: Option<Box<Checks>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Written {
    Nothing,
    /// The transport accepted output, which says nothing about the peer.
    Something,
    /// The transport accepted output that had to wait before: the peer has read some.
    Progress,
}

/// State that a connection needs beyond silence detection, most of the time none.
#[derive(Debug, Default)]
struct Checks {
    pending_ping: Option<PendingPing>,
    /// The message in progress: the start of its window, and the number of bytes that arrived
    /// since.
    message: Option<(Instant, u64)>,
}

/// The pong that is due for a ping.
#[derive(Debug)]
struct PendingPing {
    sent_at: Instant,
    deadline: Instant,
    answered: bool,
    /// `true` once the peer's transport has the ping.
    delivered: bool,
    /// `acknowledged` at the last check, and its value once the peer's transport has the ping.
    acknowledged: u64,
    position: u64,
    /// Number of bytes that arrived since the deadline was set.
    received: u64,
    /// `true` once the deadline was extended because the driver called too late, which is done
    /// once.
    extended_once: bool,
}

/// The round-trip time of a connection, measured by the pongs to its keepalive pings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtt {
    /// In microseconds, and so is `smoothed`: four bytes each, since every idle connection holds
    /// them.
    last: u32,
    smoothed: NonZeroU32,
}

impl Rtt {
    /// Returns the round-trip time of the last ping that was answered.
    pub const fn last(self) -> Duration {
        Duration::from_micros(self.last as u64)
    }

    /// Returns the round-trip time smoothed over the last pings, each with the weight of an eighth
    /// (RFC 6298 section 2).
    pub const fn smoothed(self) -> Duration {
        Duration::from_micros(self.smoothed.get() as u64)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeepaliveAction {
    Alive,
    /// A ping with this payload is due.
    Ping([u8; 4]),
    /// An unsolicited pong is due.
    Heartbeat,
    /// The peer is gone.
    Expired,
    /// The message in progress arrives too slowly.
    TooSlow,
}

impl Keepalive {
    /// Creates a keepalive; `min_rate` is the minimum rate of a message, in bytes per second, 0 for
    /// none.
    pub(crate) fn new(ping_after: Option<Duration>, pong_timeout: Duration, min_rate: u16) -> Self {
        Self {
            ping_after: ping_after.map_or(CompactDuration::FOREVER, CompactDuration::new),
            pong_timeout: CompactDuration::new(pong_timeout),
            received: 0,
            min_rate,
            nonce: 0,
            written: Written::Nothing,
            due: None,
            rtt: None,
            checks: None,
        }
    }

    /// Counts `length` bytes of input.
    #[inline]
    pub(crate) const fn on_input(&mut self, length: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "one input is shorter than 4 GiB")]
        let length = length as u32;
        self.received = self.received.saturating_add(length);
    }

    /// Returns whether input arrived since the last call, or since the interval began.
    pub(crate) const fn take_received(&mut self) -> bool {
        mem::replace(&mut self.received, 0) > 0
    }

    /// Records that the transport accepted output; `waited` says whether that had to wait for the
    /// peer.
    #[inline]
    pub(crate) fn on_written(&mut self, waited: bool) {
        if waited {
            self.written = Written::Progress;
        } else if self.written == Written::Nothing {
            self.written = Written::Something;
        }
    }

    /// Handles a pong, which answers the ping whatever its payload: RFC 6455 section 5.5.3 lets a
    /// peer answer only the most recent of several pings.
    pub(crate) fn on_pong(&mut self) {
        if let Some(pending_ping) =
            self.checks.as_mut().and_then(|checks| checks.pending_ping.as_mut())
        {
            pending_ping.answered = true;
        }
    }

    /// Updates the round-trip time by a pong that arrived at `now`, if the pong answers the last
    /// ping. Returns whether it does.
    pub(crate) fn measure(&mut self, payload: &[u8], now: Instant) -> bool {
        if payload != self.payload() {
            return false;
        }
        let pending_ping = self.checks.as_mut().and_then(|checks| checks.pending_ping.take());
        let Some(PendingPing { sent_at, .. }) = pending_ping else { return false };
        self.drop_unused_checks();
        let elapsed = now.saturating_duration_since(sent_at);
        let last = u32::try_from(elapsed.as_micros()).unwrap_or(u32::MAX);
        let smoothed = self.rtt.map_or(last, |rtt| {
            let before = rtt.smoothed.get();
            before - before / 8 + last / 8
        });
        self.rtt =
            Some(Rtt { last, smoothed: NonZeroU32::new(smoothed).unwrap_or(NonZeroU32::MIN) });
        true
    }

    pub(crate) const fn rtt(&self) -> Option<Rtt> {
        self.rtt
    }

    pub(crate) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        if self.due.is_none() {
            self.due = now.checked_add(self.interval());
        }
        self.due
    }

    /// Evaluates the interval that ends at `now`. `mid_message` says whether a message is in
    /// progress; `status` is called only if a decision depends on it.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        mid_message: bool,
        status: impl FnOnce() -> TransportStatus,
    ) -> KeepaliveAction {
        let Some(due) = self.due.filter(|due| *due <= now) else { return KeepaliveAction::Alive };
        let interval = self.interval();
        // A driver that calls so late was not reading, so the peer is not to blame for unread
        // input.
        let driver_was_late = now - due > interval / 2;
        let received = u64::from(mem::take(&mut self.received));
        let written = mem::replace(&mut self.written, Written::Nothing);
        self.due = now.checked_add(interval);

        if self.checks.is_none() && received > 0 && !(mid_message && self.min_rate > 0) {
            let silent = written == Written::Nothing && self.ping_after != CompactDuration::FOREVER;
            return if silent { KeepaliveAction::Heartbeat } else { KeepaliveAction::Alive };
        }
        let status = status();
        let action = self.check(now, received, written, mid_message, driver_was_late, status);
        if let Some(PendingPing { deadline, .. }) =
            self.checks.as_ref().and_then(|checks| checks.pending_ping.as_ref())
        {
            self.due = self.due.map_or(Some(*deadline), |due| Some(due.min(*deadline)));
        }
        action
    }

    fn check(
        &mut self,
        now: Instant,
        received: u64,
        written: Written,
        mid_message: bool,
        driver_was_late: bool,
        status: TransportStatus,
    ) -> KeepaliveAction {
        let checks = self.checks.get_or_insert_default();
        if !mid_message || driver_was_late || status.paused || self.min_rate == 0 {
            checks.message = None;
        } else if let Some((since, length)) = &mut checks.message {
            *length += received;
            let elapsed = now - *since;
            if elapsed >= RATE_WINDOW {
                if *length < u64::from(self.min_rate).saturating_mul(elapsed.as_secs()) {
                    return KeepaliveAction::TooSlow;
                }
                checks.message = Some((now, 0));
            }
        } else {
            checks.message = Some((now, 0));
        }

        if checks.pending_ping.as_ref().is_some_and(|pending_ping| pending_ping.answered) {
            checks.pending_ping = None;
        } else if let Some(pending_ping) = &mut checks.pending_ping {
            let timeout = self.pong_timeout;
            return if pending_ping.check_overdue(
                now,
                received,
                written,
                driver_was_late,
                status,
                timeout,
            ) {
                KeepaliveAction::Expired
            } else {
                KeepaliveAction::Alive
            };
        }
        let action = if self.ping_after == CompactDuration::FOREVER {
            KeepaliveAction::Alive
        } else if received == 0 {
            self.nonce = self.nonce.wrapping_add(1);
            checks.pending_ping = PendingPing::new(now, self.pong_timeout, status);
            KeepaliveAction::Ping(self.payload())
        } else if written == Written::Nothing {
            KeepaliveAction::Heartbeat
        } else {
            KeepaliveAction::Alive
        };
        self.drop_unused_checks();
        action
    }

    /// Returns the payload of the last ping.
    const fn payload(&self) -> [u8; 4] {
        [0, 0, 0, self.nonce]
    }

    /// Drops the `Checks` if there is nothing to check.
    fn drop_unused_checks(&mut self) {
        if self
            .checks
            .as_ref()
            .is_some_and(|checks| checks.pending_ping.is_none() && checks.message.is_none())
        {
            self.checks = None;
        }
    }

    /// Returns the length of an interval.
    fn interval(&self) -> Duration {
        let half = match self.ping_after {
            CompactDuration::FOREVER => Duration::MAX,
            ping_after => (ping_after.duration() / 2).max(MIN_INTERVAL),
        };
        if self.min_rate > 0 { half.min(RATE_WINDOW) } else { half }
    }
}

impl PendingPing {
    /// Creates the expectation for a ping sent at `now`; `None` if the deadline is not
    /// representable.
    fn new(now: Instant, timeout: CompactDuration, status: TransportStatus) -> Option<Self> {
        let TransportStatus { acknowledged, unacknowledged, .. } = status;
        // No output is ahead of the ping.
        let delivered = unacknowledged == 0;
        Some(Self {
            sent_at: now,
            deadline: now.checked_add(time_for_pong(timeout, delivered))?,
            answered: false,
            delivered,
            acknowledged,
            position: acknowledged.saturating_add(unacknowledged).saturating_add(1),
            received: 0,
            extended_once: false,
        })
    }

    /// Updates the state by the observations until `now`. Returns whether the pong is overdue.
    fn check_overdue(
        &mut self,
        now: Instant,
        received: u64,
        written: Written,
        driver_was_late: bool,
        status: TransportStatus,
        timeout: CompactDuration,
    ) -> bool {
        let TransportStatus { acknowledged, unacknowledged, paused } = status;
        let progressed = written == Written::Progress || acknowledged != self.acknowledged;
        let reached = acknowledged >= self.position || unacknowledged == 0;
        self.acknowledged = acknowledged;
        self.received += received;
        let mut extend = driver_was_late && !mem::replace(&mut self.extended_once, true);
        if paused {
            // A pong that has arrived is not read before the output is accepted.
            self.delivered = false;
            self.position = acknowledged.saturating_add(unacknowledged);
            extend |= progressed;
        } else if !self.delivered {
            self.delivered = reached;
            extend |= reached || progressed;
        }
        if now >= self.deadline {
            let enough =
                u64::from(DEFAULT_MIN_RATE).saturating_mul(timeout.duration().as_secs().max(1));
            extend |= self.received >= enough;
            if !extend {
                return true;
            }
        }
        if extend {
            self.received = 0;
            let next = now.checked_add(time_for_pong(timeout, self.delivered));
            self.deadline = next.unwrap_or(self.deadline);
        }
        false
    }
}

/// Returns the time that a pong may take from now on: twice the timeout while its ping is behind
/// output that the peer does not accept, so that a driver's write timeout ends the connection first
/// and names the cause.
fn time_for_pong(timeout: CompactDuration, delivered: bool) -> Duration {
    if delivered { timeout.duration() } else { timeout.duration().saturating_mul(2) }
}
