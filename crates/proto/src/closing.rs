//! The closing handshake (RFC 6455 sections 5.5.1 and 7.1).

use std::mem;
use std::time::{Duration, Instant};

use crate::compact_duration::CompactDuration;

/// The state of a connection with respect to the closing handshake.
///
/// ```text
///           close sent                    close received
///  Open ───────────────────► Closing ───────────────────────► Closed
///    │                                                          ▲
///    ├── close received: the answer is sent by the same call ───┤
///    ├── the peer broke the protocol: a close frame is sent ────┤
///    │      close received, with half-close       close sent    │
///    └────────────────────────────► PeerClosed ─────────────────┘
/// ```
///
/// Once `Closed`, the driver writes the remaining output and ends the transport: a server at once,
/// a client when the server has, or when the deadline passes (RFC 6455 section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Messages flow both ways.
    Open,
    /// The local close frame was sent; messages may still arrive, none may be sent.
    Closing,
    /// The peer's close frame arrived and is not answered yet; messages may be sent, none will
    /// arrive. Only where [half-close](crate::Connection::allow_half_close) is allowed.
    PeerClosed,
    /// Nothing more will arrive or be sent.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Closing {
    state: State,
    timeout: CompactDuration,
    deadline: Option<Instant>,
    /// Maximum silence of the peer after the local close frame, if half-close is allowed.
    silence: Option<CompactDuration>,
    /// `true` while the local close frame is in the output, behind messages that the peer may still
    /// read: the deadline is not set yet.
    unwritten: bool,
}

impl Closing {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self {
            state: State::Open,
            timeout: CompactDuration::new(timeout),
            deadline: None,
            silence: None,
            unwritten: false,
        }
    }

    #[inline]
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout.duration()
    }

    /// Returns whether input is still processed.
    #[inline]
    pub(crate) const fn is_receiving(&self) -> bool {
        matches!(self.state, State::Open | State::Closing)
    }

    pub(crate) fn allow_half_close(&mut self, silence: Option<Duration>) {
        if self.state != State::Closed {
            self.silence = silence.map(CompactDuration::new);
        }
    }

    /// Records that the local close frame was appended to the output.
    pub(crate) fn on_close_sent(&mut self) {
        self.unwritten = true;
        match self.state {
            State::Open => self.state = State::Closing,
            State::PeerClosed => self.on_end(),
            State::Closing | State::Closed => {}
        }
    }

    /// Records that the local close frame was appended to the output in answer to the peer's.
    pub(crate) fn on_answer_sent(&mut self) {
        self.unwritten = true;
        self.on_end();
    }

    /// Sets the deadline once the local close frame is written. Returns whether there is a new
    /// deadline.
    pub(crate) fn on_close_written(&mut self, now: Instant) -> bool {
        let new = mem::take(&mut self.unwritten);
        if new {
            self.poll_timeout(now);
        }
        new
    }

    /// Records that the peer broke the protocol: messages that are still unwritten are of no use to
    /// the peer, so the timeout starts at once.
    pub(crate) fn on_failure(&mut self) {
        self.unwritten = false;
        self.on_end();
    }

    /// Handles the peer's close frame. Returns whether the answer waits until the local end has
    /// nothing more to send.
    pub(crate) fn defer_answer(&mut self) -> bool {
        let holds = self.state == State::Open && self.silence.is_some();
        if holds {
            self.state = State::PeerClosed;
        }
        holds
    }

    /// Ends the connection: no further input is processed.
    pub(crate) fn on_end(&mut self) {
        self.state = State::Closed;
        if self.silence.take().is_some() {
            self.deadline = None;
        }
    }

    pub(crate) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        if matches!(self.state, State::Open | State::PeerClosed) || self.unwritten {
            return None;
        }
        if self.deadline.is_none() {
            self.deadline = self.silence.unwrap_or(self.timeout).after(now);
        }
        self.deadline
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    /// Handles an expired deadline; `received` says whether input arrived before it. Returns
    /// whether the deadline was extended.
    pub(crate) fn extend_deadline(&mut self, received: bool, now: Instant) -> bool {
        let Some(silence) = self.silence.filter(|_| received) else { return false };
        self.deadline = silence.after(now);
        true
    }
}
