use std::sync::atomic::Ordering;

use super::{Outbox, OutboxStage, wake};

impl Outbox {
    /// Ends the connection without a close frame: drops the queued messages, then makes the writer
    /// task drop the writing half, and the receiving half reset the transport.
    pub(in crate::websocket::split) fn abort(&self) {
        let mut inner = self.lock();
        if inner.lifecycle.stage == OutboxStage::Ended {
            return;
        }
        self.aborted.store(true, Ordering::Release);
        self.begin_closing(&mut inner);
        self.drop_queue(&mut inner);
        wake(&mut inner.receiver);
        drop(inner);
        if let Some(writer) = &*self.writer() {
            writer.wake_task();
        }
    }

    /// Returns whether the connection was aborted.
    #[inline]
    pub(in crate::websocket::split) fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }
}
