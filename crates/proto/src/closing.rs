//! The closing handshake (RFC 6455 sections 5.5.1 and 7.1).

use std::time::{Duration, Instant};

use crate::span::Span;

/// How far a connection is towards its end.
///
/// ```text
///           close sent                    close received
///  Open ───────────────────► Closing ───────────────────────► Closed
///    │                                                          ▲
///    ├── close received: the answer is sent by the same call ───┤
///    └── the peer broke the protocol: a close frame is sent ────┘
/// ```
///
/// Once `Closed`, what remains is to write the output and end the transport: the server at once, the client when the
/// server has, or when the deadline passes (RFC 6455 section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Messages flow both ways.
    Open,
    /// The local close frame was sent; messages may still arrive, none may be sent.
    Closing,
    /// Nothing more will arrive or be sent.
    Closed,
}

#[derive(Debug)]
pub(crate) struct Closing {
    state: State,
    timeout: Span,
    deadline: Option<Instant>,
}

impl Closing {
    pub(crate) fn new(timeout: Duration) -> Self {
        Self { state: State::Open, timeout: Span::new(timeout), deadline: None }
    }

    #[inline]
    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) const fn timeout(&self) -> Duration {
        self.timeout.duration()
    }

    /// The local close frame was sent.
    pub(crate) fn sent(&mut self) {
        if self.state == State::Open {
            self.state = State::Closing;
        }
    }

    /// The peer's close frame arrived, or nothing of worth will.
    pub(crate) const fn ended(&mut self) {
        self.state = State::Closed;
    }

    pub(crate) fn poll_timeout(&mut self, now: Instant) -> Option<Instant> {
        if self.state == State::Open {
            return None;
        }
        if self.deadline.is_none() {
            self.deadline = self.timeout.after(now);
        }
        self.deadline
    }

    pub(crate) fn is_expired(&self, now: Instant) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }
}
