use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread;

use sockeye_proto::CloseFrame;

use super::Registry;

/// The stage of a connection in the shutdown of its server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DrainStage {
    /// The connection stays open.
    Open,
    /// The connection closes when its handler receives.
    Notified,
    /// The connection closes when its handler receives or sends.
    Forced,
    /// The connection is dropped: the timeout has passed, or its handler was dropped.
    Dropped,
}

/// A waiter for the next stage of a connection. The two waiters may be different tasks.
#[derive(Clone, Copy)]
enum Waiter {
    Connection,
    Task,
}

/// The registration of a connection with its drain, which ends when the last reference is dropped.
pub(crate) struct Member {
    registry: Arc<Registry>,
    key: u64,
    stage: AtomicU8,
    /// Set once the opening handshake is done.
    is_connection: AtomicBool,
    /// The close frame to send; set before [`DrainStage::Notified`].
    frame: OnceLock<CloseFrame>,
    /// Wakers, indexed by [`Waiter`].
    wakers: Mutex<[Option<Waker>; 2]>,
}

impl Member {
    pub(in crate::drain) fn new(registry: Arc<Registry>, key: u64) -> Self {
        Self {
            registry,
            key,
            stage: AtomicU8::new(DrainStage::Open as u8),
            is_connection: AtomicBool::new(false),
            frame: OnceLock::new(),
            wakers: Mutex::default(),
        }
    }

    /// Records that the opening handshake is done.
    pub(crate) fn on_connected(&self) {
        self.is_connection.store(true, Ordering::Release);
    }

    pub(in crate::drain) fn is_connection(&self) -> bool {
        self.is_connection.load(Ordering::Acquire)
    }

    #[inline]
    pub(crate) fn stage(&self) -> DrainStage {
        match self.stage.load(Ordering::Acquire) {
            0 => DrainStage::Open,
            1 => DrainStage::Notified,
            2 => DrainStage::Forced,
            _ => DrainStage::Dropped,
        }
    }

    /// Returns the close frame to send.
    pub(crate) fn frame(&self) -> Option<&CloseFrame> {
        self.frame.get()
    }

    /// Notifies the connection to close. Only the first notification counts.
    pub(in crate::drain) fn notify(&self, frame: CloseFrame) {
        let _ = self.frame.set(frame);
        self.advance(DrainStage::Notified);
    }

    /// Advances to a stage; a connection never goes back to an earlier one.
    pub(in crate::drain) fn advance(&self, stage: DrainStage) {
        if self.stage.fetch_max(stage as u8, Ordering::AcqRel) < stage as u8 {
            // Wakers stay for the next stage: a task that polls need not register again.
            let wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner).clone();
            wakers.into_iter().flatten().for_each(Waker::wake);
        }
    }

    /// Returns the stage, and registers the connection's task to be woken at the next one.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> DrainStage {
        self.register(Waiter::Connection, cx);
        self.stage()
    }

    fn register(&self, waiter: Waiter, cx: &Context<'_>) {
        let mut wakers = self.wakers.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut wakers[waiter as usize] {
            Some(waker) => waker.clone_from(cx.waker()),
            empty => *empty = Some(cx.waker().clone()),
        }
    }

    /// Runs the work of the connection until the connection is dropped at the timeout, or notified
    /// to close before its opening handshake is done: then the work is dropped.
    pub(crate) fn run_until_dropped<F>(self: Arc<Self>, work: F) -> RunUntilDropped<F>
    where
        F: Future<Output = ()>,
    {
        RunUntilDropped { member: self, waker: None, work: Box::pin(work), done: false }
    }
}

/// The future of [`Member::run_until_dropped`].
pub(crate) struct RunUntilDropped<F> {
    member: Arc<Member>,
    /// Waker that is registered with the member.
    waker: Option<Waker>,
    work: Pin<Box<F>>,
    done: bool,
}

impl<F: Future<Output = ()>> Future for RunUntilDropped<F> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if !self.waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            self.waker = Some(cx.waker().clone());
            self.member.register(Waiter::Task, cx);
        }
        let stage = self.member.stage();
        if stage == DrainStage::Dropped || stage > DrainStage::Open && !self.member.is_connection()
        {
            return Poll::Ready(());
        }
        let polled = self.work.as_mut().poll(cx);
        self.done = polled.is_ready();
        polled
    }
}

impl<F> Drop for RunUntilDropped<F> {
    /// Drops the connection along with unfinished work; the connection would linger otherwise.
    /// After a panic, the connection still sends its close frame.
    fn drop(&mut self) {
        if !self.done && !thread::panicking() {
            self.member.advance(DrainStage::Dropped);
        }
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        self.registry.leave(self.key, self.is_connection(), self.stage());
    }
}

impl fmt::Debug for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Member")
            .field("stage", &self.stage())
            .field("is_connection", &self.is_connection())
            .finish_non_exhaustive()
    }
}
