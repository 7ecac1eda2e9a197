use std::fmt;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use sockeye_proto::mux::{SendError, StreamId};
use tokio::io::AsyncWrite;

use super::session::Handle;
use super::shared::State;
use super::{SessionError, WriteError};

/// The sending half of a stream.
///
/// # Writes
/// A write copies its data, and waits while the stream's buffer
/// ([`Config::send_buffer`](super::Config::send_buffer)) is full: while the connection or the peer
/// takes no more. A flush does nothing, since the session sends on its own. A shutdown is
/// [`finish`](Self::finish). Errors are a [`WriteError`] inside an [`io::Error`].
///
/// # Drop
/// Dropping a stream that was not finished resets it with code 0. A finished stream is delivered.
///
/// # Cancel safety
/// A write that is dropped while it waits has no effect.
#[must_use = "dropping the stream resets it"]
pub struct SendStream {
    handle: Arc<Handle>,
    id: StreamId,
}

impl SendStream {
    pub(super) fn new(handle: Arc<Handle>, id: StreamId) -> Self {
        Self { handle, id }
    }

    /// Returns the identifier of the stream.
    pub const fn id(&self) -> StreamId {
        self.id
    }

    /// Ends the stream after the data that was written.
    ///
    /// # Errors
    /// The reason why the stream had ended before.
    pub fn finish(&mut self) -> Result<(), WriteError> {
        self.handle.shared.call(|state| {
            let finished = state.mux.finish_stream(self.id);
            finished.map_err(|error| write_error(error, state))
        })
    }

    /// Abandons the stream and what was not sent, unless everything was sent. The peer's reads fail
    /// with the code, an application's of at most 2^62 - 1.
    pub fn reset(&mut self, code: u64) {
        self.handle.shared.call(|state| state.mux.reset(self.id, code));
    }

    /// Sets the priority of the stream: it sends before all streams of lower priorities, which may
    /// have to wait for as long as it has data. Streams of the same priority take turns. Default: 0.
    pub fn set_priority(&mut self, priority: i32) {
        self.handle.shared.call(|state| state.mux.set_priority(self.id, priority));
    }

    /// Waits until the peer has stopped the stream, and returns its code; `None` when the
    /// connection has taken everything of a stream that was finished or reset.
    ///
    /// # Errors
    /// The end of the session.
    ///
    /// # Cancel safety
    /// Dropping the future has no effect.
    pub async fn stopped(&mut self) -> Result<Option<u64>, SessionError> {
        let id = self.id;
        poll_fn(|cx| {
            self.handle.shared.call(|state| {
                if let Some(code) = state.mux.stopped(id) {
                    return Poll::Ready(Ok(Some(code)));
                }
                if state.mux.is_sent(id) {
                    return Poll::Ready(Ok(None));
                }
                if let Some(error) = state.error() {
                    return Poll::Ready(Err(error));
                }
                state.set_writer(id, cx);
                Poll::Pending
            })
        })
        .await
    }
}

fn write_error(error: SendError, state: &State) -> WriteError {
    match error {
        SendError::Stopped(code) => WriteError::Stopped(code),
        SendError::Finished => WriteError::Finished,
        SendError::Ended => WriteError::Session(state.end_error()),
    }
}

impl AsyncWrite for SendStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let id = self.id;
        self.handle.shared.call(|state| match state.mux.write(id, buf) {
            Ok(0) if !buf.is_empty() => {
                state.set_writer(id, cx);
                Poll::Pending
            }
            Ok(length) => Poll::Ready(Ok(length)),
            Err(error) => Poll::Ready(Err(write_error(error, state).into())),
        })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.finish() {
            Ok(()) | Err(WriteError::Finished) => Poll::Ready(Ok(())),
            Err(error) => Poll::Ready(Err(error.into())),
        }
    }
}

impl Drop for SendStream {
    fn drop(&mut self) {
        self.handle.shared.call(|state| state.release_send(self.id));
    }
}

impl fmt::Debug for SendStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendStream").field("id", &self.id).finish_non_exhaustive()
    }
}
