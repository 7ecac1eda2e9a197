//! Where HTTP/2 runs its tasks.

use crate::clock::{self, MaybeSend};

/// Starts tasks on tokio, or in the browser's queue of microtasks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Executor;

impl<F: Future<Output = ()> + MaybeSend + 'static> hyper::rt::Executor<F> for Executor {
    fn execute(&self, task: F) {
        clock::spawn(task);
    }
}
