use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;

use super::error::ResumeError;
use super::session::Session;
use crate::Charge;

/// A session with the program's calls and the tasks that wait for it, without a lock: the part of a
/// stream that drivers of every platform share.
///
/// The program's calls are those of a byte stream. They fail with the error that ended the session,
/// of type `E`. The driver moves frames between the session and a WebSocket. A supervisor, which may
/// be the driver, calls [`apply_deadlines`](Self::apply_deadlines).
#[derive(Debug)]
pub struct StreamState<E> {
    /// The session.
    pub session: Session,
    /// The error that ended the stream besides that of the session.
    failure: Option<E>,
    /// `true` if both programs had read everything: no later error matters.
    is_complete: bool,
    must_reconnect: bool,
    /// The charge to a memory budget.
    charge: Option<Charge>,
    /// The time at which the program dropped the stream.
    dropped_at: Option<Duration>,
    reader: Option<Waker>,
    writer: Option<Waker>,
    driver: Option<Waker>,
    supervisor: Option<Waker>,
}

impl<E: Clone + From<ResumeError>> StreamState<E> {
    /// Creates the state of a session, whose memory is charged.
    pub const fn new(session: Session, charge: Option<Charge>) -> Self {
        Self {
            session,
            failure: None,
            is_complete: false,
            must_reconnect: false,
            charge,
            dropped_at: None,
            reader: None,
            writer: None,
            driver: None,
            supervisor: None,
        }
    }

    /// Returns whether and how the session has ended.
    pub fn ended(&self) -> Option<Result<(), E>> {
        if self.is_complete {
            return Some(Ok(()));
        }
        let error = self.session.error().map(E::from);
        error.or_else(|| self.failure.clone()).map(Err)
    }

    /// Fails as the program's calls do: with the error that ended the session.
    ///
    /// # Errors
    /// That error.
    pub fn check(&self) -> Result<(), E> {
        self.ended().unwrap_or(Ok(()))
    }

    /// Ends the stream with an error, unless it has ended.
    pub fn fail(&mut self, error: E) {
        if self.ended().is_none() {
            self.failure = Some(error);
            self.wake_program();
        }
    }

    /// Records that both programs have read everything.
    pub fn complete(&mut self) {
        self.is_complete = true;
        self.wake_program();
        self.wake_driver();
    }

    /// Asks the driver of a client for another WebSocket.
    pub fn reconnect(&mut self) {
        self.must_reconnect = true;
        self.wake_driver();
    }

    /// Returns whether the driver is to open another WebSocket at once, which it then does.
    pub const fn take_reconnect(&mut self) -> bool {
        std::mem::replace(&mut self.must_reconnect, false)
    }

    /// Waits for bytes to read: `true` if there are some, `false` at the end of the stream.
    ///
    /// # Errors
    /// The error that ended the session.
    pub fn poll_readable(&mut self, cx: &mut Context<'_>) -> Poll<Result<bool, E>> {
        self.check()?;
        if self.session.is_readable() {
            Poll::Ready(Ok(true))
        } else if self.is_complete || self.session.is_read() {
            Poll::Ready(Ok(false))
        } else {
            set_waker(&mut self.reader, cx);
            Poll::Pending
        }
    }

    /// Moves received bytes to `into`, and returns their number.
    pub fn read(&mut self, into: &mut [u8], now: Duration) -> usize {
        let length = self.session.read(into, now);
        self.on_moved();
        length
    }

    /// Returns the next received bytes, at most `max`. Many bytes are not copied.
    pub fn read_chunk(&mut self, max: usize, now: Duration) -> Bytes {
        let chunk = self.session.read_chunk(max, now);
        self.on_moved();
        chunk
    }

    /// Keeps some of the bytes for the other end, and returns their number; `None` after the
    /// [`finish`](Self::finish). Waits while the buffer is full.
    ///
    /// # Errors
    /// The error that ended the session.
    pub fn poll_write(
        &mut self,
        bytes: &[u8],
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<usize>, E>> {
        self.check()?;
        if self.is_complete || self.session.is_finished() {
            return Poll::Ready(Ok(None));
        }
        let length = self.session.write(bytes);
        if length == 0 && !bytes.is_empty() {
            set_waker(&mut self.writer, cx);
            return Poll::Pending;
        }
        self.on_moved();
        Poll::Ready(Ok(Some(length)))
    }

    /// Keeps bytes like [`poll_write`](Self::poll_write) until `chunk` is empty. A long chunk is not
    /// copied. Returns `None` after the [`finish`](Self::finish).
    ///
    /// # Errors
    /// The error that ended the session.
    pub fn poll_write_chunk(
        &mut self,
        chunk: &mut Bytes,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<()>, E>> {
        self.check()?;
        if self.is_complete || self.session.is_finished() {
            return Poll::Ready(Ok(None));
        }
        let before = chunk.len();
        self.session.write_chunk(chunk);
        if chunk.len() < before {
            self.on_moved();
        }
        if chunk.is_empty() {
            return Poll::Ready(Ok(Some(())));
        }
        set_waker(&mut self.writer, cx);
        Poll::Pending
    }

    /// Ends the direction to the other end.
    ///
    /// # Errors
    /// The error that ended the session.
    pub fn finish(&mut self) -> Result<(), E> {
        self.check()?;
        if !self.session.is_finished() {
            self.session.finish();
            wake(&mut self.driver);
        }
        Ok(())
    }

    /// Waits until a property of the session holds, or the session is complete. Uses the waker of
    /// [`poll_write`](Self::poll_write).
    ///
    /// # Errors
    /// The error that ended the session.
    pub fn poll_until(
        &mut self,
        holds: impl FnOnce(&Session) -> bool,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), E>> {
        self.check()?;
        if self.is_complete || holds(&self.session) {
            return Poll::Ready(Ok(()));
        }
        set_waker(&mut self.writer, cx);
        Poll::Pending
    }

    /// Lets go of the stream. What was written before the end of the direction still arrives, if the
    /// other program reads it in time; without an end the session ends.
    pub fn drop_stream(&mut self, now: Duration) {
        self.dropped_at = Some(now);
        if !self.is_complete {
            if self.session.is_finished() {
                self.session.discard_input(now);
            } else {
                self.session.fail(ResumeError::Reset);
            }
            self.account();
        }
        self.wake_driver();
    }

    /// Ends a session whose time has passed, or that was chosen to release its memory. Returns the
    /// next time at which to call this.
    pub fn apply_deadlines(&mut self, now: Duration) -> Option<Duration> {
        if self.ended().is_some() {
            return None;
        }
        if self.charge.as_ref().is_some_and(Charge::is_chosen) {
            self.account();
        }
        let linger = self.dropped_at.map(|at| at.saturating_add(self.session.expiry()));
        if linger.is_some_and(|at| at <= now) {
            self.session.fail(ResumeError::Reset);
        }
        self.session.handle_timeout(now);
        if self.session.error().is_some() {
            self.account();
            self.wake_program();
            self.wake_driver();
            return None;
        }
        let expiry = if self.session.is_attached() { None } else { self.session.poll_timeout() };
        linger.into_iter().chain(expiry).min()
    }

    /// Charges the buffers to the memory budget, which may end the session.
    pub fn account(&mut self) {
        let held = self.session.memory();
        let Some(charge) = &mut self.charge else { return };
        if charge.set(held).is_err() {
            self.session.fail(ResumeError::OverBudget);
            // A session that has ended holds nothing. Its charge stays closed.
            let _ = charge.set(self.session.memory());
            self.wake_program();
            self.wake_driver();
        } else if charge.needs_waker() {
            wake(&mut self.supervisor);
        }
    }

    /// Charges the buffers and wakes the driver. The supervisor would find nothing to do, and waking
    /// two tasks at once moves one of them to another thread.
    fn on_moved(&mut self) {
        self.account();
        wake(&mut self.driver);
    }

    /// Wakes this task when the session has something for the driver.
    pub fn set_driver(&mut self, cx: &Context<'_>) {
        set_waker(&mut self.driver, cx);
    }

    /// Wakes this task when the deadlines may have changed, and when the budget needs memory.
    pub fn set_supervisor(&mut self, cx: &Context<'_>) {
        set_waker(&mut self.supervisor, cx);
        if let Some(charge) = &mut self.charge {
            charge.wake_by(cx.waker());
        }
    }

    /// Wakes the program's calls that wait.
    pub fn wake_program(&mut self) {
        wake(&mut self.reader);
        self.wake_writer();
    }

    /// Wakes the program's call that waits for anything but bytes to read.
    pub fn wake_writer(&mut self) {
        wake(&mut self.writer);
    }

    /// Wakes the driver and the supervisor.
    pub fn wake_driver(&mut self) {
        wake(&mut self.driver);
        self.wake_supervisor();
    }

    /// Wakes the supervisor.
    pub fn wake_supervisor(&mut self) {
        wake(&mut self.supervisor);
    }
}

fn set_waker(waker: &mut Option<Waker>, cx: &Context<'_>) {
    match waker {
        Some(waker) => waker.clone_from(cx.waker()),
        none => *none = Some(cx.waker().clone()),
    }
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}
