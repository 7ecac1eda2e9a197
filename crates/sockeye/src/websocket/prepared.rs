use std::future::poll_fn;

use sockeye_proto::Prepared;

use super::WebSocket;
use crate::error::Result;

impl WebSocket {
    /// Sends a prepared message: as [`send`](Self::send), but on a server nothing is encoded or compressed that was so
    /// before, and a frame of 4 KiB or more is written from where it is.
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`send`](Self::send).
    pub async fn send_prepared(&mut self, prepared: &Prepared) -> Result<()> {
        self.feed_prepared(prepared).await?;
        poll_fn(|cx| self.poll_sent(cx)).await
    }

    /// Takes a prepared message to be written later, as [`feed`](Self::feed).
    ///
    /// # Errors
    /// As [`send`](Self::send).
    ///
    /// # Cancel safety
    /// As [`feed`](Self::feed).
    pub async fn feed_prepared(&mut self, prepared: &Prepared) -> Result<()> {
        poll_fn(|cx| self.poll_room(cx)).await?;
        let before = self.output.len();
        if let Some(rest) = self.connection.send_prepared(prepared, self.output.buffer())? {
            self.output.push_shared(rest);
        }
        let wire = self.output.len() - before;
        self.role_metrics().count_sent(prepared.message().kind(), prepared.len(), wire);
        Ok(())
    }
}
