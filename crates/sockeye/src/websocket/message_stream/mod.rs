//! Messages that are read and written as byte streams, when they are too long to be in memory at
//! once.

mod reader;
mod writer;

pub use reader::MessageReader;
pub use writer::MessageWriter;

use std::future::poll_fn;

use sockeye_proto::Kind;

use super::WebSocket;
use crate::error::Result;

impl WebSocket {
    /// Returns the next message as a stream, which is read while the message arrives: from its
    /// first frame on, whatever its length. `None` after the closing handshake.
    ///
    /// ```no_run
    /// # async fn example(mut ws: sockeye::WebSocket, mut file: impl tokio::io::AsyncWrite + Unpin) -> sockeye::Result<()> {
    /// if let Some(mut message) = ws.recv_stream().await? {
    ///     tokio::io::copy(&mut message, &mut file).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// [`Config::max_streamed_length`](crate::Config::max_streamed_length()) limits such messages,
    /// not the limit of whole ones. The next call that receives skips the rest of a message that is
    /// not read to its end.
    ///
    /// # Errors
    /// Same as [`recv`](Self::recv).
    ///
    /// # Cancel safety
    /// Nothing is lost. A message that a dropped [`recv`](Self::recv) has received in part
    /// continues as it began: it is reassembled, under the limit of whole messages, and then read
    /// from memory.
    pub async fn recv_stream(&mut self) -> Result<Option<MessageReader<'_>>> {
        let kind = poll_fn(|cx| self.driver.poll_begin(cx)).await?;
        Ok(kind.map(|kind| MessageReader::new(&mut self.driver, kind)))
    }

    /// Begins a message that is written as a stream, in fragments of 64 KiB.
    /// [`MessageWriter::finish`] ends the message. Waits only while the output is full.
    ///
    /// ```no_run
    /// # use sockeye::Kind;
    /// # async fn example(mut ws: sockeye::WebSocket, mut file: impl tokio::io::AsyncRead + Unpin) -> sockeye::Result<()> {
    /// let mut message = ws.send_stream(Kind::Binary).await?;
    /// tokio::io::copy(&mut file, &mut message).await?;
    /// message.finish().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// Same as [`send`](Self::send).
    ///
    /// # Cancel safety
    /// If the future is dropped, no message was begun.
    pub async fn send_stream(&mut self, kind: Kind) -> Result<MessageWriter<'_>> {
        poll_fn(|cx| self.driver.poll_capacity(cx)).await?;
        self.driver.begin_message(kind)?;
        Ok(MessageWriter::new(&mut self.driver, kind))
    }
}
