use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use sockeye_proto::mux::{ReceiveError, Received, StreamId};
use tokio::io::{AsyncRead, ReadBuf};

use super::session::Handle;
use super::{ReadError, SessionError};

/// The receiving half of a stream.
///
/// # Reads
/// [`read_chunk`](Self::read_chunk) returns long data without a copy. Errors of [`AsyncRead`] are a
/// [`ReadError`] inside an [`io::Error`], of the kind [`ConnectionReset`] for a reset.
///
/// # Drop
/// Dropping a stream that was not read to its end stops it with code 0.
///
/// # Cancel safety
/// A read that is dropped while it waits loses nothing.
///
/// [`ConnectionReset`]: io::ErrorKind::ConnectionReset
#[must_use = "dropping the stream stops it"]
pub struct RecvStream {
    handle: Arc<Handle>,
    id: StreamId,
}

impl RecvStream {
    pub(super) fn new(handle: Arc<Handle>, id: StreamId) -> Self {
        Self { handle, id }
    }

    /// Returns the identifier of the stream.
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// Returns the next data, of 1 to `max` bytes; `None` at the end of the stream.
    ///
    /// # Errors
    /// The reason why the stream has no more data.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn read_chunk(&mut self, max: usize) -> Result<Option<Bytes>, ReadError> {
        poll_fn(|cx| self.poll_chunk(cx, max)).await
    }

    /// Waits until the peer has reset the stream, and returns its code; `None` when all data has
    /// arrived or the stream is stopped, so that no reset can follow. A program that cannot read,
    /// as its own receiver takes no more, learns of the end of the stream by it.
    ///
    /// # Errors
    /// The end of the session, unless all data had arrived.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn received_reset(&mut self) -> Result<Option<u64>, SessionError> {
        let id = self.id;
        poll_fn(|cx| {
            self.handle.shared.call(|state| match state.mux.is_received(id) {
                Err(code) => Poll::Ready(Ok(Some(code))),
                Ok(true) => Poll::Ready(Ok(None)),
                Ok(false) => {
                    if let Some(error) = state.error() {
                        return Poll::Ready(Err(error));
                    }
                    state.set_reader(id, cx);
                    Poll::Pending
                }
            })
        })
        .await
    }

    /// Reads no more: the peer's writes fail with the code, an application's of at most 2^62 - 1.
    pub fn stop(&mut self, code: u64) {
        self.handle.shared.call(|state| state.mux.stop(self.id, code));
    }

    fn poll_chunk(
        &mut self,
        cx: &mut Context<'_>,
        max: usize,
    ) -> Poll<Result<Option<Bytes>, ReadError>> {
        let id = self.id;
        self.handle.shared.call(|state| match state.mux.read(id, max) {
            Ok(Received::Data(data)) => Poll::Ready(Ok(Some(data))),
            Ok(Received::End) => Poll::Ready(Ok(None)),
            Ok(Received::Blocked) => {
                state.set_reader(id, cx);
                Poll::Pending
            }
            Err(error) => Poll::Ready(Err(match error {
                ReceiveError::Reset(code) => ReadError::Reset(code),
                ReceiveError::Stopped => ReadError::Stopped,
                ReceiveError::Ended => ReadError::Session(state.end_error()),
            })),
        })
    }
}

impl AsyncRead for RecvStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buf.remaining() == 0 {
            return Poll::Ready(Ok(()));
        }
        let read = self.poll_chunk(cx, buf.remaining());
        let read = read.map_ok(|data| buf.put_slice(&data.unwrap_or_default()));
        read.map_err(io::Error::from)
    }
}

impl Drop for RecvStream {
    fn drop(&mut self) {
        self.handle.shared.call(|state| state.release_receive(self.id));
    }
}

impl fmt::Debug for RecvStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecvStream").field("id", &self.id).finish_non_exhaustive()
    }
}
