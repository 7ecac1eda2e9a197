//! A tunnel between a byte stream and a TCP connection.

use std::io;

use sockeye_proto::{CloseCode, CloseFrame, UsageError, Utf8Bytes};
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use super::ByteStream;
use crate::Result;

impl ByteStream {
    /// Copies bytes both ways between this stream and a TCP connection until both directions have
    /// ended, and returns the number of bytes from `tcp` and the number of bytes to it.
    ///
    /// Each direction ends by itself. A failure on either side is a failure on the other: the TCP
    /// connection is reset and the peer of this stream gets an error, so that neither end mistakes
    /// a part of the data for the whole. The same holds when the future is dropped and when the
    /// program is killed.
    ///
    /// ```no_run
    /// # async fn tunnel(tcp: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
    /// let stream = sockeye::connect("wss://example.com/tunnel").await?.into_byte_stream();
    /// let (sent, received) = stream.copy_bidirectional(tcp).await?;
    /// println!("{sent} bytes out, {received} bytes in");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Deadlines
    /// While the TCP connection takes nothing, the stream is not read, and pings are not answered.
    /// A peer that is to wait longer than its timeouts needs a long `pong_timeout` and no
    /// `write_timeout` in its [`Config`](crate::Config). The local keepalive is not affected: a
    /// stream that is left unread is not cut by its own deadlines.
    ///
    /// # Errors
    /// The first error of either side.
    ///
    /// # Cancel safety
    /// Dropping the future resets the TCP connection and cuts the stream, unless both directions
    /// have ended.
    pub async fn copy_bidirectional(mut self, mut tcp: TcpStream) -> io::Result<(u64, u64)> {
        // From here on, dropping the socket resets the connection, at the end of this future or of
        // the process.
        tcp.set_zero_linger()?;
        match copy_bidirectional(&mut tcp, &mut self).await {
            Ok(copied) => {
                #[expect(deprecated, reason = "to turn it off does not block")]
                tcp.set_linger(None)?;
                Ok(copied)
            }
            Err(error) => {
                drop(tcp);
                // The peer may be gone; the error is returned in any case.
                let _ = self.abort(CloseCode::BAD_GATEWAY, error.kind().to_string()).await;
                Err(error)
            }
        }
    }

    /// Ends both directions as failed: the peer reads an error and not the end of the file, and its
    /// writes fail.
    ///
    /// Bytes written and not flushed are lost. The peer is sent a close frame with `code` and
    /// `reason`, and `abort` waits until the peer has ended the transport. The transport is reset
    /// when that takes longer than [`Config::close_timeout`](crate::Config::close_timeout()), and
    /// at once when the stream was shut down before, since an orderly close frame is out then. Does
    /// nothing to a stream that has ended or failed.
    ///
    /// # Errors
    /// [`Error::Usage`](crate::Error::Usage) for a code that [indicates no
    /// failure](CloseCode::is_orderly) or must not be sent, and for a reason of more than 123
    /// bytes; the stream is then cut, as if it were dropped.
    ///
    /// # Cancel safety
    /// Dropping the future cuts the stream, as if the stream were dropped.
    pub async fn abort(
        self,
        code: impl Into<CloseCode>,
        reason: impl Into<Utf8Bytes>,
    ) -> Result<()> {
        let frame = CloseFrame::new(code, reason)?;
        if frame.code.is_orderly() {
            return Err(UsageError::InvalidCloseCode { code: frame.code }.into());
        }
        self.ws.driver.abort(&frame).await;
        Ok(())
    }
}
