//! Keepalive: pings into silence, the deadline of their pongs, and the least rate of a message that has begun
//! (RFC 6455 sections 5.5.2 and 5.5.3).

use std::mem;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::span::Span;

/// The least rate of a message that has begun, in bytes a second, by default on servers: as Kestrel and IIS demand of the
/// bodies of requests. Input at this rate, over [`Config::pong_timeout`](crate::Config::pong_timeout), also puts off the
/// deadline of a pong, since the pong of a peer that uploads a long message waits behind it.
pub(crate) const LEAST_RATE: u16 = 240;

/// A message that has begun is judged by the bytes that arrived within this time. The length of the first window is also
/// the grace of a message. Chosen so that a phone that changes networks within a message is not cut.
const RATE_WINDOW: Duration = Duration::from_secs(20);

/// The shortest time between two looks at a connection, whatever the configuration says.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// The state of a transport at a timeout, as far as its driver knows it.
///
/// The difference between "handed to the transport" and "acknowledged" matters on slow lines: a ping may wait behind megabytes
/// in the send buffer of the system, and its pong cannot be due before the peer's TCP has the ping. On Linux, `TCP_INFO` tells
/// both numbers. A driver that knows nothing beyond its own output leaves `acknowledged` at 0, gives what it has not written
/// as `unacknowledged`, and reports progress by [`Connection::handle_written`](crate::Connection::handle_written).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TransportStatus {
    /// How many bytes the peer has acknowledged since some moment before, the same for all calls.
    pub acknowledged: u64,
    /// How many bytes of output are not acknowledged: unwritten ones, and those that the system holds.
    pub unacknowledged: u64,
    /// Whether the driver does not read at present, because its output waits for the peer.
    pub paused: bool,
}

/// ```text
///                 heard                          the pong, or enough other input
///              ┌─────────┐              ┌────────────────────────────────────────────┐
///              ▼         │              ▼                                            │
///  Unset ──► Listening ──┴── silence: ping ──► Queued ── acknowledged ──► Delivered ─┤
///     first poll                                  │                           │      └── deadline: expired
///                                                 └── deadline, which every acknowledged byte puts off: expired
/// ```
///
/// The clock is read when a timer fires and when a ping is answered, not for each message: traffic only counts its bytes.
/// Silence is measured in halves of `ping_after`, so that a ping leaves between one half and the whole of it after the last
/// byte of the peer. When nothing was sent for as long, a pong that nobody asked for breaks the silence of that direction.
#[derive(Debug)]
pub(crate) struct Keepalive {
    ping_after: Span,
    pong_timeout: Span,
    /// How much arrived in this interval, in bytes.
    received: u32,
    /// The least rate of a message in bytes a second, 0 for none.
    min_rate: u16,
    /// The number of pings that were sent: the last byte of the last ping.
    nonce: u8,
    /// What the transport took in this interval.
    written: Written,
    /// The end of the interval; unset before the first poll, and if it lies past the end of time.
    due: Option<Instant>,
    rtt: Option<Rtt>,
    watch: Option<Box<Watch>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Written {
    Nothing,
    /// The transport took output, which says nothing of the peer.
    Something,
    /// The transport took output that had to wait before: the peer has taken some.
    Progress,
}

/// What a connection has to watch beside silence, which is nothing most of the time.
#[derive(Debug, Default)]
struct Watch {
    awaited: Option<Awaited>,
    /// The message in progress: since when it is judged, and how much arrived since.
    message: Option<(Instant, u64)>,
}

/// The pong that a ping asked for.
#[derive(Debug)]
struct Awaited {
    sent_at: Instant,
    deadline: Instant,
    answered: bool,
    /// The peer's transport has the ping.
    delivered: bool,
    /// How much the peer had acknowledged at the last look, and how much it will have when it has the ping.
    acknowledged: u64,
    position: u64,
    /// How much arrived since the deadline was set, in bytes.
    received: u64,
    /// The deadline was put off because nobody looked in time, which is done once.
    excused: bool,
}

/// The round-trip time of a connection, as the pongs to its keepalive pings tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rtt {
    /// In microseconds, as is the other: every idle connection holds them.
    last: u32,
    smoothed: NonZeroU32,
}

impl Rtt {
    /// Of the last ping that was answered.
    pub const fn last(self) -> Duration {
        Duration::from_micros(self.last as u64)
    }

    /// Smoothed over the last pings, each with the weight of an eighth (RFC 6298 section 2).
    pub const fn smoothed(self) -> Duration {
        Duration::from_micros(self.smoothed.get() as u64)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    /// A ping with this payload is due.
    Ping([u8; 4]),
    /// A pong that nobody asked for is due.
    Heartbeat,
    /// The peer is gone.
    Expired,
    /// The message in progress arrives too slowly.
    TooSlow,
}

impl Keepalive {
    /// `min_rate` is the least rate of a message, in bytes a second; 0 for none.
    pub(crate) fn new(ping_after: Option<Duration>, pong_timeout: Duration, min_rate: u16) -> Self {
        Self {
            ping_after: ping_after.map_or(Span::FOREVER, Span::new),
            pong_timeout: Span::new(pong_timeout),
            received: 0,
            min_rate,
            nonce: 0,
            written: Written::Nothing,
            due: None,
            rtt: None,
            watch: None,
        }
    }

    /// Counts input.
    #[inline]
    pub(crate) const fn on_input(&mut self, length: usize) {
        #[expect(clippy::cast_possible_truncation, reason = "one input is shorter than 4 GiB")]
        let length = length as u32;
        self.received = self.received.saturating_add(length);
    }

    /// Whether something arrived since this was last asked, or since the interval began.
    pub(crate) const fn take_heard(&mut self) -> bool {
        mem::replace(&mut self.received, 0) > 0
    }

    /// Takes note that the transport took output, and whether that had to wait for the peer.
    #[inline]
    pub(crate) fn on_written(&mut self, waited: bool) {
        if waited {
            self.written = Written::Progress;
        } else if self.written == Written::Nothing {
            self.written = Written::Something;
        }
    }

    /// Takes note of a pong, which answers the ping whatever it carries: RFC 6455 section 5.5.3 lets a peer answer only the
    /// most recent of several pings.
    pub(crate) fn on_pong(&mut self) {
        if let Some(awaited) = self.watch.as_mut().and_then(|watch| watch.awaited.as_mut()) {
            awaited.answered = true;
        }
    }

    /// Measures the round-trip time by a pong that arrived at `now`, if it answers the last ping. Says whether it does.
    pub(crate) fn measure(&mut self, payload: &[u8], now: Instant) -> bool {
        if payload != self.payload() {
            return false;
        }
        let awaited = self.watch.as_mut().and_then(|watch| watch.awaited.take());
        let Some(Awaited { sent_at, .. }) = awaited else { return false };
        self.tidy();
        let took = now.saturating_duration_since(sent_at);
        let last = u32::try_from(took.as_micros()).unwrap_or(u32::MAX);
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

    /// Judges the interval that ends at `now`. `mid_message` says whether a message is in progress; `status` is asked for only
    /// where something depends on it.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        mid_message: bool,
        status: impl FnOnce() -> TransportStatus,
    ) -> Verdict {
        let Some(due) = self.due.filter(|due| *due <= now) else { return Verdict::Alive };
        let interval = self.interval();
        // Whoever looks so late was not there to read, and what was not read is not the peer's fault.
        let unattended = now - due > interval / 2;
        let received = u64::from(mem::take(&mut self.received));
        let written = mem::replace(&mut self.written, Written::Nothing);
        self.due = now.checked_add(interval);

        if self.watch.is_none() && received > 0 && !(mid_message && self.min_rate > 0) {
            let silent = written == Written::Nothing && self.ping_after != Span::FOREVER;
            return if silent { Verdict::Heartbeat } else { Verdict::Alive };
        }
        let status = status();
        let verdict = self.look(now, received, written, mid_message, unattended, status);
        if let Some(Awaited { deadline, .. }) = self.watch.as_ref().and_then(|w| w.awaited.as_ref())
        {
            self.due = self.due.map_or(Some(*deadline), |due| Some(due.min(*deadline)));
        }
        verdict
    }

    fn look(
        &mut self,
        now: Instant,
        received: u64,
        written: Written,
        mid_message: bool,
        unattended: bool,
        status: TransportStatus,
    ) -> Verdict {
        let watch = self.watch.get_or_insert_default();
        if !mid_message || unattended || status.paused || self.min_rate == 0 {
            watch.message = None;
        } else if let Some((since, length)) = &mut watch.message {
            *length += received;
            let took = now - *since;
            if took >= RATE_WINDOW {
                if *length < u64::from(self.min_rate).saturating_mul(took.as_secs()) {
                    return Verdict::TooSlow;
                }
                watch.message = Some((now, 0));
            }
        } else {
            watch.message = Some((now, 0));
        }

        if watch.awaited.as_ref().is_some_and(|awaited| awaited.answered) {
            watch.awaited = None;
        } else if let Some(awaited) = &mut watch.awaited {
            let timeout = self.pong_timeout;
            return if awaited.is_overdue(now, received, written, unattended, status, timeout) {
                Verdict::Expired
            } else {
                Verdict::Alive
            };
        }
        let verdict = if self.ping_after == Span::FOREVER {
            Verdict::Alive
        } else if received == 0 {
            self.nonce = self.nonce.wrapping_add(1);
            watch.awaited = Awaited::new(now, self.pong_timeout, status);
            Verdict::Ping(self.payload())
        } else if written == Written::Nothing {
            Verdict::Heartbeat
        } else {
            Verdict::Alive
        };
        self.tidy();
        verdict
    }

    /// The payload of the last ping.
    const fn payload(&self) -> [u8; 4] {
        [0, 0, 0, self.nonce]
    }

    /// Lets go of what is not needed.
    fn tidy(&mut self) {
        if self.watch.as_ref().is_some_and(|w| w.awaited.is_none() && w.message.is_none()) {
            self.watch = None;
        }
    }

    /// How long an interval is.
    fn interval(&self) -> Duration {
        let half = match self.ping_after {
            Span::FOREVER => Duration::MAX,
            ping_after => (ping_after.duration() / 2).max(MIN_INTERVAL),
        };
        if self.min_rate > 0 { half.min(RATE_WINDOW) } else { half }
    }
}

impl Awaited {
    /// A ping that leaves at `now`; `None` when there is no end to the time for its pong.
    fn new(now: Instant, timeout: Span, status: TransportStatus) -> Option<Self> {
        let TransportStatus { acknowledged, unacknowledged, .. } = status;
        // Nothing is ahead of it.
        let delivered = unacknowledged == 0;
        Some(Self {
            sent_at: now,
            deadline: now.checked_add(time_for_pong(timeout, delivered))?,
            answered: false,
            delivered,
            acknowledged,
            position: acknowledged.saturating_add(unacknowledged).saturating_add(1),
            received: 0,
            excused: false,
        })
    }

    /// Takes what was seen until `now` into account. Says whether the pong should have been there.
    fn is_overdue(
        &mut self,
        now: Instant,
        received: u64,
        written: Written,
        unattended: bool,
        status: TransportStatus,
        timeout: Span,
    ) -> bool {
        let TransportStatus { acknowledged, unacknowledged, paused } = status;
        let moved = written == Written::Progress || acknowledged != self.acknowledged;
        let reached = acknowledged >= self.position || unacknowledged == 0;
        self.acknowledged = acknowledged;
        self.received += received;
        let mut put_off = unattended && !mem::replace(&mut self.excused, true);
        if paused {
            // A pong that is there is not read before the output is taken.
            self.delivered = false;
            self.position = acknowledged.saturating_add(unacknowledged);
            put_off |= moved;
        } else if !self.delivered {
            self.delivered = reached;
            put_off |= reached || moved;
        }
        if now >= self.deadline {
            let enough = u64::from(LEAST_RATE).saturating_mul(timeout.duration().as_secs().max(1));
            put_off |= self.received >= enough;
            if !put_off {
                return true;
            }
        }
        if put_off {
            self.received = 0;
            let next = now.checked_add(time_for_pong(timeout, self.delivered));
            self.deadline = next.unwrap_or(self.deadline);
        }
        false
    }
}

/// How long a pong may take from now on: twice the timeout while its ping is behind output that the peer does not take, so that
/// a timeout of writes, where the driver has one, ends the connection first and names the cause.
fn time_for_pong(timeout: Span, delivered: bool) -> Duration {
    if delivered { timeout.duration() } else { timeout.duration().saturating_mul(2) }
}
