//! Moves frames between a session and its WebSocket, in both directions at once.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use sockeye_proto::Message;
use sockeye_proto::resume::{FrameError, ResumeError};

use super::shared::{Shared, Timer};
use crate::{WebSocket, timer};

/// Timeout of the server's first frame, equal to that of native programs.
pub(super) const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason why a WebSocket no longer serves its session.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The WebSocket was closed (`None`) or failed, or the server's first frame did not come in
    /// time.
    Lost(Option<crate::Error>),
    /// Another WebSocket is to be opened at once.
    Reconnect,
    /// Both programs have read everything.
    Complete,
    /// The session has ended with this error, of which the server was notified.
    Failed(ResumeError),
}

/// Serves a session with a WebSocket until either ends.
pub(super) async fn drive(shared: &Shared, ws: &mut WebSocket) -> Outcome {
    let first_frame_by = timer::now().saturating_add(FIRST_FRAME_TIMEOUT);
    let mut driver = Driver { shared, ws, timer: Timer::default(), first_frame_by };
    match poll_fn(|cx| driver.poll(cx)).await {
        Ok(never) => match never {},
        Err(outcome) => outcome,
    }
}

enum Never {}

struct Driver<'a> {
    shared: &'a Shared,
    ws: &'a mut WebSocket,
    timer: Timer,
    first_frame_by: Duration,
}

impl Driver<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Never, Outcome>> {
        loop {
            let is_blocked = self.poll_send(cx)?.is_pending();
            match self.ws.poll_recv(cx) {
                Poll::Ready(Ok(Some(message))) => self.handle(message),
                Poll::Ready(Ok(None)) => return Poll::Ready(Err(Outcome::Lost(None))),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Outcome::Lost(Some(error)))),
                Poll::Pending => {
                    let at = self.next_deadline(is_blocked)?;
                    ready!(self.timer.poll_until(at, cx));
                }
            }
        }
    }

    /// Passes to the browser what the session has to send. Pending means that the browser takes no
    /// more, or that the closing handshake has begun, which `poll_recv` finishes.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        loop {
            match ready!(self.ws.poll_send_capacity(cx)) {
                Ok(()) => {}
                Err(crate::Error::Closed(_)) => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(Outcome::Lost(Some(error)))),
            }
            let Some(frame) = self.next_frame(cx)? else { break };
            let message = Message::Binary(Bytes::from(frame));
            match self.ws.connection().send(&message) {
                Ok(()) => {}
                Err(crate::Error::Closed(_)) => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(Outcome::Lost(Some(error)))),
            }
        }
        Poll::Ready(self.check_ended())
    }

    fn next_frame(&mut self, cx: &Context<'_>) -> Result<Option<Vec<u8>>, Outcome> {
        let mut state = self.shared.state();
        state.set_driver(cx);
        if state.take_reconnect() {
            return Err(Outcome::Reconnect);
        }
        let frame = state.session.poll_transmit(timer::now());
        if frame.is_some() && state.session.is_sent() {
            // A flush may wait for this.
            state.wake_program();
        }
        Ok(frame)
    }

    /// Checks whether the session has ended, once the browser has everything that the session had
    /// to send.
    fn check_ended(&mut self) -> Result<(), Outcome> {
        let mut state = self.shared.state();
        if state.session.is_complete() {
            state.complete();
            return Err(Outcome::Complete);
        }
        match state.session.error() {
            Some(error) => Err(Outcome::Failed(error)),
            None => Ok(()),
        }
    }

    fn handle(&mut self, message: Message) {
        let mut state = self.shared.state();
        match message {
            // An error stays in the session, which notifies the server.
            Message::Binary(payload) => drop(state.session.handle(&payload, timer::now())),
            Message::Text(_) => state.session.fail(FrameError::Text.into()),
        }
        state.wake_program();
    }

    fn next_deadline(&mut self, is_blocked: bool) -> Result<Option<Duration>, Outcome> {
        let now = timer::now();
        let mut state = self.shared.state();
        let deadline = state.apply_deadlines(now);
        let own = if state.session.is_attached() {
            // An acknowledgement that is due waits while the browser takes nothing.
            state.session.poll_timeout().filter(|_| !is_blocked)
        } else if self.first_frame_by <= now && state.session.error().is_none() {
            return Err(Outcome::Lost(Some(crate::Error::Disconnected)));
        } else {
            Some(self.first_frame_by)
        };
        Ok(deadline.into_iter().chain(own).min())
    }
}
