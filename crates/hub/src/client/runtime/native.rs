//! tokio's tasks and timers.

use std::pin::Pin;
use std::sync::Arc;

/// The bounds of what tasks hold and share. Here they are `Send` and `Sync`, as tokio moves tasks
/// between threads.
pub(crate) use std::marker::{Send as MaybeSend, Sync as MaybeSync};

pub(crate) use tokio::task::AbortHandle;
use tokio::task::JoinSet;
pub(crate) use tokio::time::sleep;

/// A boxed future that a task may hold.
pub(crate) type BoxFuture<T> = Pin<Box<dyn Future<Output = T> + Send>>;

/// A function that tasks may share.
pub(crate) type SharedFn<A, T> = Arc<dyn Fn(A) -> BoxFuture<T> + Send + Sync>;

pub(crate) fn spawn(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// A set of tasks, which are aborted when it is dropped.
pub(crate) struct Tasks<T>(JoinSet<T>);

impl<T: Send + 'static> Tasks<T> {
    pub(crate) fn new() -> Self {
        Self(JoinSet::new())
    }

    pub(crate) fn spawn(&mut self, task: impl Future<Output = T> + Send + 'static) -> AbortHandle {
        self.0.spawn(task)
    }

    /// Waits for the next task that ends, and returns its output. Waits forever while there is
    /// none.
    ///
    /// # Cancel safety
    /// No output is lost.
    pub(crate) async fn next(&mut self) -> T {
        loop {
            match self.0.join_next().await {
                Some(Ok(output)) => return output,
                // The task was aborted, or the program's function panicked.
                Some(Err(_)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
