//! Deadlines of reads and writes as points in time.

use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use tokio::task::unconstrained;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{ByteStream, Half};

/// A handle that sets the deadlines of a [`ByteStream`], also after its halves were moved to
/// different tasks. Returned by [`ByteStream::deadlines`]; clones set the same deadlines.
///
/// ```no_run
/// use std::time::Duration;
/// use tokio::io::AsyncReadExt;
/// use tokio::time::Instant;
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let mut stream = sockeye::connect("wss://example.com/tunnel").await?.into_byte_stream();
/// let deadlines = stream.deadlines();
/// let (mut reads, _writes) = tokio::io::split(stream);
/// let reading = tokio::spawn(async move { reads.read_u8().await });
/// // Ends the read that waits, with an error of the kind `TimedOut`.
/// deadlines.set_read(Some(Instant::now()));
/// assert!(reading.await?.is_err());
/// # Ok(())
/// # }
/// ```
///
/// A deadline that has passed fails every call of its direction, including those that would not
/// have to wait, with [`Error::DeadlinePassed`](super::Error::DeadlinePassed), of the kind
/// `TimedOut`; a waiting call is woken. The stream is unchanged: nothing is lost, and once the
/// deadline is moved or removed, calls succeed again. Go's `net.Conn` behaves the same way.
#[derive(Clone)]
pub struct Deadlines {
    /// Indexed by [`Half`].
    halves: Arc<Mutex<[Deadline; 2]>>,
}

#[derive(Debug, Default)]
struct Deadline {
    at: Option<Instant>,
    /// The task that used this half last.
    waker: Option<Waker>,
}

impl Deadlines {
    /// Sets the time until which reads may wait; `None`, the default, for no limit.
    pub fn set_read(&self, at: Option<Instant>) {
        self.set_half(Half::Read, at);
    }

    /// Sets the time until which writes, flushes and the shutdown may wait; `None`, the default,
    /// for no limit.
    pub fn set_write(&self, at: Option<Instant>) {
        self.set_half(Half::Write, at);
    }

    /// Sets the deadlines of both directions.
    pub fn set(&self, at: Option<Instant>) {
        self.set_read(at);
        self.set_write(at);
    }

    fn set_half(&self, half: Half, at: Option<Instant>) {
        let mut halves = self.lock();
        let deadline = &mut halves[half as usize];
        deadline.at = at;
        let waker = deadline.waker.take();
        drop(halves);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, [Deadline; 2]> {
        // A panic cannot leave a partial change behind.
        self.halves.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Deadlines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [read, write] = &*self.lock();
        f.debug_struct("Deadlines").field("read", &read.at).field("write", &write.at).finish()
    }
}

/// The deadlines of a stream, and the timers of those that are set.
pub(super) struct DeadlineTimers {
    deadlines: Deadlines,
    /// Indexed by [`Half`].
    timers: [Option<Pin<Box<Sleep>>>; 2],
}

impl DeadlineTimers {
    /// Waits until the deadline of this half has passed. The task is woken when the deadline
    /// passes, and when it is changed.
    fn poll(&mut self, half: Half, cx: &mut Context<'_>) -> Poll<()> {
        let mut halves = self.deadlines.lock();
        let deadline = &mut halves[half as usize];
        match &mut deadline.waker {
            Some(waker) => waker.clone_from(cx.waker()),
            none => *none = Some(cx.waker().clone()),
        }
        let at = deadline.at;
        drop(halves);
        let timer = &mut self.timers[half as usize];
        let Some(at) = at else {
            *timer = None;
            return Poll::Pending;
        };
        if at <= Instant::now() {
            return Poll::Ready(());
        }
        let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(at)));
        if timer.deadline() != at {
            timer.as_mut().reset(at);
        }
        // A sleep never completes for a task without budget.
        pin!(unconstrained(timer.as_mut())).poll(cx)
    }
}

impl ByteStream {
    /// Returns a handle that sets deadlines of reads and writes as points in time, also after
    /// `tokio::io::split`.
    ///
    /// [`set_read_timeout`](Self::set_read_timeout) limits each wait; a deadline limits all calls
    /// until a point in time. Both may be set. A stream for which this was never called has no
    /// deadlines, at no cost.
    pub fn deadlines(&mut self) -> Deadlines {
        let timers = self.deadline_timers.get_or_insert_with(|| {
            let deadlines = Deadlines { halves: Arc::default() };
            Box::new(DeadlineTimers { deadlines, timers: [None, None] })
        });
        timers.deadlines.clone()
    }

    /// Waits until the deadline of this half has passed.
    #[inline]
    pub(super) fn poll_deadline(&mut self, half: Half, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.deadline_timers {
            None => Poll::Pending,
            Some(timers) => timers.poll(half, cx),
        }
    }
}
