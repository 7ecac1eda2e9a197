use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{ByteStream, Error, Half, Reading};

/// The longest message that is sent, in bytes: as much as is unwritten when a write begins to wait, so that a long one is a
/// write of its own.
pub(super) const MESSAGE: usize = 64 * 1024;

/// How far our direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Open,
    /// The close frame is in the output.
    ShutDown,
    Failed(io::ErrorKind),
}

impl ByteStream {
    /// Writes from `slices` as much as there is room for.
    pub(super) fn poll_write_from(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let was_empty = self.gathered.is_empty();
        ready!(self.drive(Half::Write, cx, Self::poll_writable))?;
        let offered = slices.iter().map(|slice| slice.len()).fold(0, usize::saturating_add);
        let room = MESSAGE - self.gathered.len();
        let taken = offered.min(room);
        self.gathered.reserve(taken);
        for slice in slices {
            let room = MESSAGE - self.gathered.len();
            self.gathered.extend_from_slice(&slice[..slice.len().min(room)]);
        }
        if self.gathered.len() == MESSAGE {
            self.send_gathered();
        }
        if was_empty && taken > 0 {
            // A read that waits in another task is to write it: nobody knows whether a flush will come.
            self.tasks.wake_other(Half::Write, cx);
        }
        Poll::Ready(Ok(taken))
    }

    /// Makes a message of what was gathered. If that cannot be sent any more, it stays, and the writer learns of it.
    pub(super) fn send_gathered(&mut self) {
        if !self.gathered.is_empty() {
            let _ = self.ws.push_gathered(&mut self.gathered);
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.writing {
            Writing::Open => {}
            Writing::ShutDown => return Poll::Ready(Err(Error::ShutDown.into())),
            Writing::Failed(kind) => return Poll::Ready(Err(Error::Failed(kind).into())),
        }
        let sendable = ready!(self.ws.poll_sendable(cx));
        Poll::Ready(sendable.map_err(|error| self.fail_writing(error)))
    }

    fn poll_written(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if let Writing::Failed(kind) = self.writing {
            return Poll::Ready(Err(Error::Failed(kind).into()));
        }
        self.send_gathered();
        let flushed = ready!(self.ws.poll_flush_output(cx));
        // After a failure there is no output because it was given up.
        let lost =
            !self.gathered.is_empty() || self.ws.is_ending() && self.reading != Reading::Ended;
        Poll::Ready(match flushed {
            Ok(()) if lost => {
                self.writing = Writing::Failed(io::ErrorKind::BrokenPipe);
                Err(Error::ShutDown.into())
            }
            flushed => flushed.map_err(|error| self.fail_writing(error)),
        })
    }

    fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing == Writing::Open && !self.ws.is_ending() {
            self.send_gathered();
            if self.gathered.is_empty() {
                // Without waiting for room: it is bounded.
                self.ws.end_sending();
                self.writing = Writing::ShutDown;
            }
        }
        if self.writing == Writing::ShutDown && self.ws.is_ending() {
            return self.poll_end(cx);
        }
        self.poll_written(cx)
    }

    fn fail_writing(&mut self, error: crate::Error) -> io::Error {
        let error = Error::of_connection(error);
        self.writing = Writing::Failed(error.kind());
        error
    }
}

impl AsyncWrite for ByteStream {
    #[inline]
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_from(cx, &[IoSlice::new(buf)])
    }

    #[inline]
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.get_mut().poll_write_from(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    #[inline]
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().drive(Half::Write, cx, Self::poll_written)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().drive(Half::Write, cx, Self::poll_shut_down)
    }
}
