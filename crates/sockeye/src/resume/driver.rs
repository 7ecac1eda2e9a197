//! Moves frames between a session and its WebSocket, in both directions at once.

use std::future::poll_fn;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use sockeye_proto::resume::{EncodedFrame, EndReason, Frame, FrameError};
use sockeye_proto::{CloseCode, Message};

use super::Error;
use super::shared::{MAX_UNSENT, Shared, Timer};
use crate::WebSocket;

/// Timeout of the first frame of the other end, equal to that of the opening handshake.
pub(super) const FIRST_FRAME_TIMEOUT: Duration = Duration::from_secs(10);

/// The reason why a WebSocket no longer serves its session.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The WebSocket was closed (`None`) or failed, or the server's first frame did not come in
    /// time.
    Lost(Option<crate::Error>),
    /// Another WebSocket was attached.
    Replaced,
    /// A client is to open another WebSocket at once.
    Reconnect,
    /// Both programs have read everything.
    Complete,
    /// The session has ended with this error, of which the other end was notified.
    Failed(Error),
}

/// Serves a session with a WebSocket until either ends.
///
/// # Cancel safety
/// Frames that were taken from the session may not have been sent: the session must be detached.
pub(super) async fn drive(shared: &Shared, generation: u64, ws: &mut WebSocket) -> Outcome {
    let first_frame_by = shared.now().saturating_add(FIRST_FRAME_TIMEOUT);
    let mut driver = Driver { shared, generation, ws, timer: Timer::default(), first_frame_by };
    match poll_fn(|cx| driver.poll(cx)).await {
        Ok(never) => match never {},
        Err(outcome) => outcome,
    }
}

/// Notifies the other end of the end of a session, and closes the WebSocket.
pub(super) async fn refuse(ws: &mut WebSocket, reason: EndReason) {
    // The other end may be gone; the session has ended for this end in any case.
    let _ = ws.send(Frame::End(reason).encode()).await;
    let _ = ws.close(close_code(reason), "").await;
}

/// Returns the close code that goes with a reason.
pub(super) const fn close_code(reason: EndReason) -> CloseCode {
    match reason {
        EndReason::FRAME => CloseCode::PROTOCOL_ERROR,
        EndReason::FULL | EndReason::OVER_BUDGET => CloseCode::TRY_AGAIN_LATER,
        _ => CloseCode::NORMAL_CLOSURE,
    }
}

enum Never {}

struct Driver<'a> {
    shared: &'a Shared,
    generation: u64,
    ws: &'a mut WebSocket,
    timer: Timer,
    first_frame_by: Duration,
}

impl Driver<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Never, Outcome>> {
        loop {
            let is_blocked = self.poll_send(cx)?.is_pending();
            match self.ws.driver.poll_recv(cx) {
                Poll::Ready(Ok(Some(message))) => self.handle(message)?,
                Poll::Ready(Ok(None)) => return Poll::Ready(Err(Outcome::Lost(None))),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Outcome::Lost(Some(error)))),
                Poll::Pending => {
                    let at = self.next_deadline(is_blocked)?;
                    ready!(self.shared.poll_until(&mut self.timer, at, cx));
                }
            }
        }
    }

    /// Sends what the session has to send. Pending means that the WebSocket takes no more.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Outcome>> {
        match ready!(self.poll_send_frames(cx)?) {
            Ok(()) => self.check_ended()?,
            // The closing handshake has begun, and `poll_recv` finishes it.
            Err(crate::Error::Closed(_)) => return Poll::Pending,
            Err(error) => return Poll::Ready(Err(Outcome::Lost(Some(error)))),
        }
        Poll::Ready(Ok(()))
    }

    fn poll_send_frames(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Result<Poll<crate::Result<()>>, Outcome> {
        loop {
            match self.ws.driver.poll_capacity(cx) {
                Poll::Ready(Ok(())) => {}
                other => return Ok(other),
            }
            let Some(frame) = self.next_frame(cx)? else { break };
            if let Err(error) = self.ws.driver.push_after(&frame.head, frame.data) {
                return Ok(Poll::Ready(Err(error.into())));
            }
        }
        Ok(self.ws.driver.poll_flush_sent(cx))
    }

    fn next_frame(&mut self, cx: &mut Context<'_>) -> Result<Option<EncodedFrame>, Outcome> {
        let mut state = self.shared.lock();
        if state.generation != self.generation {
            return Err(Outcome::Replaced);
        }
        state.set_driver(cx);
        if state.take_reconnect() {
            return Err(Outcome::Reconnect);
        }
        let frame = state.session.poll_frame(self.shared.now());
        if frame.is_some() && state.session.unsent() < MAX_UNSENT {
            state.wake_writer();
        }
        Ok(frame)
    }

    /// Checks whether the session has ended, once everything that it had to send was written.
    fn check_ended(&mut self) -> Result<(), Outcome> {
        let mut state = self.shared.lock();
        if state.session.is_complete() {
            state.complete();
            return Err(Outcome::Complete);
        }
        match state.session.error() {
            Some(error) => Err(Outcome::Failed(error.into())),
            None => Ok(()),
        }
    }

    fn handle(&mut self, message: Message) -> Result<(), Outcome> {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        if state.generation != self.generation {
            return Err(Outcome::Replaced);
        }
        match message {
            // An error stays in the session, which notifies the other end.
            Message::Binary(payload) => drop(state.session.handle_message(&payload, now)),
            Message::Text(_) => state.session.fail(FrameError::Text.into()),
        }
        state.account();
        state.wake_program();
        Ok(())
    }

    fn next_deadline(&mut self, is_blocked: bool) -> Result<Option<Duration>, Outcome> {
        let now = self.shared.now();
        let mut state = self.shared.lock();
        let deadline = state.apply_deadlines(now);
        let own = if state.session.is_attached() {
            // An acknowledgement that is due waits while the WebSocket takes nothing.
            state.session.poll_timeout().filter(|_| !is_blocked)
        } else if self.first_frame_by <= now && state.session.error().is_none() {
            return Err(Outcome::Lost(Some(crate::Error::Disconnected)));
        } else {
            Some(self.first_frame_by)
        };
        Ok(deadline.into_iter().chain(own).min())
    }
}
