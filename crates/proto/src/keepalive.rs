//! Pings into silence, what their pongs tell, and the end of a connection that stays silent (RFC 6455 section 5.5.2).

use std::mem;
use std::num::NonZeroU32;
use std::time::{Duration, Instant};

use crate::span::Span;

/// ```text
///                due, heard: again                 heard
///              ┌───────────┐              ┌──────────────────────┐
///              ▼           │              ▼                      │
///  Unset ──► Listening{due} ┘      Listening{due} ── due ──► Pinged{due} ── due ──► expired
///     first poll                                 unheard: ping       unheard
/// ```
///
/// The clock is read when a timer fires and when a ping is answered, not for each message: traffic only sets a flag.
#[derive(Debug)]
pub(crate) struct Keepalive {
    ping_after: Span,
    pong_timeout: Span,
    /// The end of the interval; unset before the first poll, and if it lies past the end of time.
    due: Option<Instant>,
    /// The interval began with a ping.
    pinged: bool,
    /// That ping was answered.
    answered: bool,
    heard: bool,
    /// The number of pings that were sent: what the last of them carried.
    nonce: u32,
    rtt: Option<Rtt>,
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
    Expired,
}

impl Keepalive {
    pub(crate) fn new(ping_after: Option<Duration>, pong_timeout: Duration) -> Self {
        Self {
            ping_after: ping_after.map_or(Span::FOREVER, Span::new),
            pong_timeout: Span::new(pong_timeout),
            due: None,
            pinged: false,
            answered: false,
            heard: false,
            nonce: 0,
            rtt: None,
        }
    }

    /// Something arrived.
    #[inline]
    pub(crate) const fn heard(&mut self) {
        self.heard = true;
    }

    /// Whether something arrived since this was last asked, or since the interval began.
    pub(crate) const fn take_heard(&mut self) -> bool {
        mem::replace(&mut self.heard, false)
    }

    /// A pong arrived. One that does not answer the last ping says nothing. Says whether it told the time.
    pub(crate) fn pong(&mut self, payload: &[u8], now: Instant) -> bool {
        let (true, Some(due)) = (self.pinged, self.due) else { return false };
        if payload != self.nonce.to_be_bytes() {
            return false;
        }
        if mem::replace(&mut self.answered, true) {
            return false;
        }
        let left = due.saturating_duration_since(now);
        let took = self.pong_timeout.duration().saturating_sub(left);
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
            self.listen(now);
        }
        self.due
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Verdict {
        if self.due.is_none_or(|due| now < due) {
            return Verdict::Alive;
        }
        if mem::take(&mut self.heard) {
            self.listen(now);
            return Verdict::Alive;
        }
        if self.pinged {
            return Verdict::Expired;
        }
        self.due = self.pong_timeout.after(now);
        self.pinged = self.due.is_some();
        self.answered = false;
        self.nonce = self.nonce.wrapping_add(1);
        Verdict::Ping(self.nonce.to_be_bytes())
    }

    fn listen(&mut self, now: Instant) {
        self.due = self.ping_after.after(now);
        self.pinged = false;
    }
}
