//! Drops futures, and provides a transport on which every operation waits.

use std::cell::Cell;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::time::{sleep, timeout};

/// Timeout of a scenario: longer than any step of these tests, on a paused clock.
const TEST_TIMEOUT: Duration = Duration::from_secs(3600);

/// The rule by which futures are dropped.
#[derive(Clone, Copy, Debug)]
enum CancelRule {
    /// Each future after this number of polls.
    Each(usize),
    /// The first future that is pending after this number of polls in all; no other.
    Once(usize),
    Never,
}

/// Drops futures before they are ready, by a rule.
#[derive(Debug)]
pub(crate) struct Canceller {
    rule: CancelRule,
    polled: Cell<usize>,
    dropped: Cell<usize>,
}

impl Canceller {
    const fn new(rule: CancelRule) -> Self {
        Self { rule, polled: Cell::new(0), dropped: Cell::new(0) }
    }

    /// Drops the first future that is pending after `polls` polls, and no other.
    pub(crate) const fn once(polls: usize) -> Self {
        Self::new(CancelRule::Once(polls))
    }

    /// Returns the output of the future, or `None` if it was dropped before.
    pub(crate) async fn wait<F: Future>(&self, future: F) -> Option<F::Output> {
        if let CancelRule::Each(_) = self.rule {
            self.polled.set(0);
        }
        let output = {
            let mut future = pin!(future);
            poll_fn(|cx| {
                let polled = future.as_mut().poll(cx).map(Some);
                self.polled.set(self.polled.get() + 1);
                if polled.is_pending() && self.is_due() { Poll::Ready(None) } else { polled }
            })
            .await
        };
        if output.is_none() {
            self.dropped.set(self.dropped.get() + 1);
            // The other tasks run as far as they can, and time advances.
            sleep(Duration::from_millis(1)).await;
        }
        output
    }

    /// Repeats a call until it is not dropped.
    pub(crate) async fn retry<T>(&self, mut call: impl AsyncFnMut() -> T) -> T {
        loop {
            if let Some(output) = self.wait(call()).await {
                return output;
            }
        }
    }

    pub(crate) fn has_dropped(&self) -> bool {
        self.dropped.get() > 0
    }

    fn is_due(&self) -> bool {
        match self.rule {
            CancelRule::Each(polls) => self.polled.get() >= polls,
            CancelRule::Once(polls) => !self.has_dropped() && self.polled.get() >= polls,
            CancelRule::Never => false,
        }
    }
}

/// Runs the scenario with futures dropped after ever more polls, until none is dropped any more:
/// each result must equal that of an undisturbed run. Time must be paused.
pub(crate) async fn at_every_poll<T: PartialEq + Debug>(scenario: impl AsyncFn(&Canceller) -> T) {
    let undisturbed = scenario(&Canceller::new(CancelRule::Never)).await;
    let rules: [fn(usize) -> CancelRule; 2] = [CancelRule::Each, CancelRule::Once];
    for rule in rules {
        for polls in 1.. {
            let canceller = Canceller::new(rule(polls));
            let Ok(output) = timeout(TEST_TIMEOUT, scenario(&canceller)).await else {
                panic!("{:?}: the scenario does not end", canceller.rule);
            };
            assert_eq!(output, undisturbed, "{:?}", canceller.rule);
            if !canceller.has_dropped() {
                assert!(polls > 1, "nothing has to wait");
                break;
            }
        }
    }
}

/// One end of a pipe that reads and writes at most `step` bytes at a time, and is pending before
/// each operation.
pub(crate) struct Trickle {
    pipe: DuplexStream,
    step: usize,
    /// For each operation, whether it was pending already.
    waited: [bool; 4],
}

#[derive(Clone, Copy)]
enum Operation {
    Read,
    Write,
    Flush,
    Shutdown,
}

impl Trickle {
    pub(crate) const fn new(pipe: DuplexStream, step: usize) -> Self {
        Self { pipe, step, waited: [false; 4] }
    }

    /// Returns pending once, then polls the work until it is ready.
    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        operation: Operation,
        work: impl FnOnce(Pin<&mut DuplexStream>, &mut Context<'_>) -> Poll<T>,
    ) -> Poll<T> {
        if !std::mem::replace(&mut self.waited[operation as usize], true) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let done = work(Pin::new(&mut self.pipe), cx);
        self.waited[operation as usize] = done.is_pending();
        done
    }
}

impl AsyncRead for Trickle {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut space = vec![0; self.step.min(buf.remaining())];
        let mut some = ReadBuf::new(&mut space);
        let read = self.poll(cx, Operation::Read, |pipe, cx| pipe.poll_read(cx, &mut some));
        buf.put_slice(some.filled());
        read
    }
}

impl AsyncWrite for Trickle {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let some = &buf[..self.step.min(buf.len())];
        self.poll(cx, Operation::Write, |pipe, cx| pipe.poll_write(cx, some))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, Operation::Flush, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, Operation::Shutdown, AsyncWrite::poll_shutdown)
    }
}
