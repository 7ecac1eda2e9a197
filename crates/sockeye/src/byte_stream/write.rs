use std::borrow::Cow;
use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::AsyncWrite;

use super::{ByteStream, Error, Half, Reading};

/// Maximum length of a message, in bytes. Equal to the unwritten output from which on a write
/// waits, so that a long message is a separate write.
pub(super) const MAX_MESSAGE_LENGTH: usize = 64 * 1024;

/// The state of the local direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Writing {
    Open,
    /// The close frame is in the output.
    ShutDown,
    /// The connection was closed before all was sent.
    Closed,
    Failed(io::ErrorKind),
}

impl ByteStream {
    /// Writes as much of `slices` as fits.
    pub(super) fn poll_write_from(
        &mut self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_half(Half::Write, cx, Self::poll_writable))?;
        if self.gathered.is_empty() {
            // A read that waits in another task is to write these bytes: a flush may never come.
            self.ws.driver.wake_other_half(Half::Write, cx);
            if let Some(long) = slices.first().and_then(|first| first.get(..MAX_MESSAGE_LENGTH)) {
                // A client masks the payload without another copy.
                self.send(Cow::Borrowed(long));
                return Poll::Ready(Ok(MAX_MESSAGE_LENGTH));
            }
        }
        let offered = slices.iter().map(|slice| slice.len()).fold(0, usize::saturating_add);
        let taken = offered.min(MAX_MESSAGE_LENGTH - self.gathered.len());
        self.gathered.reserve(taken);
        for slice in slices {
            let left = MAX_MESSAGE_LENGTH - self.gathered.len();
            self.gathered.extend_from_slice(&slice[..slice.len().min(left)]);
        }
        if self.gathered.len() == MAX_MESSAGE_LENGTH {
            self.send_gathered();
        }
        Poll::Ready(Ok(taken))
    }

    /// Sends the gathered bytes as a message.
    pub(super) fn send_gathered(&mut self) {
        if !self.gathered.is_empty() {
            let gathered = mem::take(&mut self.gathered);
            self.send(Cow::Owned(gathered));
        }
    }

    /// Puts a message into the output. If that is no longer possible, the next call that writes
    /// fails.
    fn send(&mut self, payload: Cow<'_, [u8]>) {
        if self.ws.driver.push_payload(payload).is_err() {
            self.writing = Writing::Closed;
        }
    }

    fn check_writing(&self) -> io::Result<()> {
        match self.writing {
            Writing::Open | Writing::ShutDown => Ok(()),
            Writing::Closed => Err(Error::ShutDown.into()),
            Writing::Failed(kind) => Err(Error::Failed(kind).into()),
        }
    }

    fn poll_writable(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing == Writing::ShutDown {
            return Poll::Ready(Err(Error::ShutDown.into()));
        }
        self.check_writing()?;
        let sendable = ready!(self.ws.driver.poll_sendable(cx));
        Poll::Ready(sendable.map_err(|error| self.fail_writing(error)))
    }

    fn poll_flush_gathered(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.send_gathered();
        self.check_writing()?;
        ready!(self.ws.driver.poll_flush_output(cx)).map_err(|error| self.fail_writing(error))?;
        if self.ws.driver.is_ending() && self.reading != Reading::Ended {
            // The connection failed, and its output was discarded, not written.
            self.writing = Writing::Closed;
        }
        Poll::Ready(self.check_writing())
    }

    fn poll_shut_down(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.writing == Writing::Open && !self.ws.driver.is_ending() {
            self.send_gathered();
            self.check_writing()?;
            // Without waiting for send capacity: the close frame is bounded.
            self.ws.driver.end_sending();
            self.writing = Writing::ShutDown;
        }
        if self.writing == Writing::ShutDown && self.ws.driver.is_ending() {
            return self.poll_end(cx);
        }
        self.poll_flush_gathered(cx)
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
        self.get_mut().poll_half(Half::Write, cx, Self::poll_flush_gathered)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_half(Half::Write, cx, Self::poll_shut_down)
    }
}
