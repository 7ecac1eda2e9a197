//! Pings into silence, and the end of a connection that stays silent (RFC 6455 section 5.5.2).

use std::time::{Duration, Instant};

/// ```text
///                due, heard: again                 heard
///              ┌───────────┐              ┌──────────────────────┐
///              ▼           │              ▼                      │
///  Unset ──► Listening{due} ┘      Listening{due} ── due ──► Pinged{due} ── due ──► expired
///     first poll                                 unheard: ping       unheard
/// ```
///
/// The clock is read when a timer fires and not for each message: traffic only sets a flag.
#[derive(Debug)]
pub(crate) struct Keepalive {
    ping_after: Option<Duration>,
    pong_timeout: Duration,
    state: State,
    heard: bool,
}

#[derive(Clone, Copy, Debug)]
enum State {
    Unset,
    Listening { due: Instant },
    Pinged { due: Instant },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Alive,
    Ping,
    Expired,
}

impl Keepalive {
    pub(crate) const fn new(ping_after: Option<Duration>, pong_timeout: Duration) -> Self {
        Self { ping_after, pong_timeout, state: State::Unset, heard: false }
    }

    /// Something arrived.
    #[inline]
    pub(crate) const fn heard(&mut self) {
        self.heard = true;
    }

    pub(crate) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        let interval = self.ping_after?;
        match self.state {
            State::Unset => {
                // An interval past the end of time is never over.
                let due = now.checked_add(interval)?;
                self.state = State::Listening { due };
                Some(due)
            }
            State::Listening { due } | State::Pinged { due } => Some(due),
        }
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Verdict {
        let Some(interval) = self.ping_after else { return Verdict::Alive };
        let (State::Listening { due } | State::Pinged { due }) = self.state else {
            return Verdict::Alive;
        };
        if now < due {
            return Verdict::Alive;
        }
        if std::mem::take(&mut self.heard) {
            self.state =
                now.checked_add(interval).map_or(State::Unset, |due| State::Listening { due });
            return Verdict::Alive;
        }
        match self.state {
            State::Pinged { .. } => Verdict::Expired,
            State::Unset | State::Listening { .. } => {
                self.state = now
                    .checked_add(self.pong_timeout)
                    .map_or(State::Unset, |due| State::Pinged { due });
                Verdict::Ping
            }
        }
    }
}
