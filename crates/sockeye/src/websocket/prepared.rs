use std::future::poll_fn;

use sockeye_proto::Prepared;

use super::WebSocket;
use crate::error::Result;

impl WebSocket {
    /// Sends a prepared message like [`send`](Self::send), except that a server reuses what was
    /// encoded or compressed before, and writes a frame of 4 KiB or more without a copy.
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Same as [`send`](Self::send).
    pub async fn send_prepared(&mut self, prepared: &Prepared) -> Result<()> {
        self.feed_prepared(prepared).await?;
        poll_fn(|cx| self.driver.poll_flush_or_defer(cx)).await
    }

    /// Queues a prepared message like [`feed`](Self::feed).
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// Same as [`feed`](Self::feed).
    pub async fn feed_prepared(&mut self, prepared: &Prepared) -> Result<()> {
        poll_fn(|cx| self.driver.poll_capacity(cx)).await?;
        self.driver.push_prepared(prepared)
    }
}
