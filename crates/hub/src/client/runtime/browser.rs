//! The tasks and timers of a page or a worker.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sockeye_web::timer::Sleep;
use tokio::sync::{mpsc, oneshot};
use wasm_bindgen_futures::spawn_local;

/// The bound of what a task holds: none, as there is only one thread.
#[allow(unreachable_pub, reason = "a bound of `HubClientBuilder::token` has to be public")]
pub trait MaybeSend {}

impl<T> MaybeSend for T {}

/// The bound of what tasks share: none.
#[allow(unreachable_pub, reason = "a bound of `HubClientBuilder::token` has to be public")]
pub trait MaybeSync {}

impl<T> MaybeSync for T {}

/// A boxed future that a task may hold.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T>>>;

/// A function that tasks may share.
pub(crate) type SharedFn<A, T> = Arc<dyn Fn(A) -> BoxFuture<T>>;

pub(crate) fn sleep(duration: Duration) -> Sleep {
    Sleep::new(duration)
}

pub(crate) fn spawn(task: impl Future<Output = ()> + 'static) {
    spawn_local(task);
}

/// A set of tasks, which end when it is dropped. Their outputs wait for [`next`](Self::next).
pub(crate) struct Tasks<T> {
    sender: mpsc::UnboundedSender<T>,
    outputs: mpsc::UnboundedReceiver<T>,
}

/// A handle that ends a task.
pub(crate) struct AbortHandle(oneshot::Sender<()>);

impl AbortHandle {
    pub(crate) fn abort(self) {
        // The task may have ended.
        let _ = self.0.send(());
    }
}

impl<T: 'static> Tasks<T> {
    pub(crate) fn new() -> Self {
        let (sender, outputs) = mpsc::unbounded_channel();
        Self { sender, outputs }
    }

    pub(crate) fn spawn(&mut self, task: impl Future<Output = T> + 'static) -> AbortHandle {
        let (abort, aborted) = oneshot::channel();
        let sender = self.sender.clone();
        spawn_local(async move {
            tokio::select! {
                // The set may have been dropped.
                output = task => drop(sender.send(output)),
                () = sender.closed() => {}
                () = received(aborted) => {}
            }
        });
        AbortHandle(abort)
    }

    /// Waits for the next task that ends, and returns its output. Waits forever while there is
    /// none.
    ///
    /// # Cancel safety
    /// No output is lost.
    pub(crate) async fn next(&mut self) -> T {
        match self.outputs.recv().await {
            Some(output) => output,
            // This set has a sender.
            None => pending().await,
        }
    }
}

/// Waits for the order to abort. Waits forever if the handle was dropped.
async fn received(aborted: oneshot::Receiver<()>) {
    if aborted.await.is_err() {
        pending().await
    }
}
