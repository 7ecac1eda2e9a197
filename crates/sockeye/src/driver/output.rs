use std::io::{self, IoSlice};
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use tokio::io::AsyncWrite;

use crate::output::{self, MAX_SLICES};
use crate::transport::SplitReadHalf;

/// Amount of unwritten output, in bytes, from which on adding a message waits for the transport.
pub(crate) const HIGH_WATER_MARK: usize = 64 * 1024;

/// Output that is written to an asynchronous transport.
#[derive(Debug, Default)]
pub(crate) struct AsyncOutput {
    unwritten: output::Output,
    /// `true` if the transport may still hold back written output.
    unflushed: bool,
    /// `true` if the transport took nothing at the last attempt.
    blocked: bool,
    /// `Some` if output was written since the last [`AsyncOutput::take_written`]; `true` if a write
    /// had to wait for the peer.
    written: Option<bool>,
}

impl AsyncOutput {
    /// Returns the buffer to which the protocol appends.
    #[inline]
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        self.unwritten.buffer()
    }

    /// Returns whether another message may be added.
    #[inline]
    pub(crate) fn has_capacity(&self) -> bool {
        self.unwritten.len() < HIGH_WATER_MARK
    }

    /// Adds the payload whose header was just appended.
    pub(crate) fn push_shared(&mut self, payload: Bytes) {
        self.unwritten.push_shared(payload);
    }

    /// Returns the amount of unwritten output, in bytes.
    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.unwritten.len()
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.unwritten.is_empty()
    }

    /// Returns whether all unwritten output is in one buffer.
    #[inline]
    pub(crate) fn is_contiguous(&self) -> bool {
        self.unwritten.is_contiguous()
    }

    /// Moves the unwritten output to the end of `buffer`. All of it must be in one buffer.
    #[inline]
    pub(crate) fn move_to(&mut self, buffer: &mut Vec<u8>) {
        if buffer.is_empty() && self.unwritten.front().len() == self.unwritten.buffer().len() {
            mem::swap(buffer, self.unwritten.buffer());
        } else {
            buffer.extend_from_slice(self.unwritten.front());
            self.unwritten.clear();
        }
        self.unflushed = false;
    }

    /// Takes back deferred output, except for its first `written` bytes, which are written.
    pub(crate) fn take_back(&mut self, deferred: &mut Vec<u8>, written: usize) {
        if deferred.is_empty() {
            return;
        }
        // The transport may hold back a part of the output.
        self.unflushed = true;
        self.unwritten.prepend(deferred, written);
    }

    /// Returns whether the transport has taken all output and holds nothing back.
    #[inline]
    pub(crate) fn is_flushed(&self) -> bool {
        self.unwritten.is_empty() && !self.unflushed
    }

    /// Returns whether output was written since the last call, and whether a write had to wait for
    /// the peer.
    pub(crate) const fn take_written(&mut self) -> Option<bool> {
        self.written.take()
    }

    /// Writes all output, and makes the transport hold nothing back.
    #[inline]
    pub(crate) fn poll_flush<T: AsyncWrite + Unpin>(
        &mut self,
        cx: &mut Context<'_>,
        transport: &mut T,
    ) -> Poll<io::Result<()>> {
        while !self.unwritten.is_empty() {
            let transport = Pin::new(&mut *transport);
            let written = if self.unwritten.is_contiguous() {
                transport.poll_write(cx, self.unwritten.front())
            } else {
                let mut slots = [IoSlice::new(&[]); MAX_SLICES];
                let slices = self.unwritten.slices(&[], &mut slots);
                transport.poll_write_vectored(cx, slices)
            };
            let waited = mem::replace(&mut self.blocked, written.is_pending());
            let written = ready!(written)?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.written = Some(waited || self.written == Some(true));
            self.unflushed = true;
            self.unwritten.advance(written);
        }
        self.unwritten.shrink();
        if self.unflushed {
            ready!(Pin::new(transport).poll_flush(cx))?;
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }

    /// Passes all output, which is whole control frames, to the writer task of a split connection,
    /// and waits until the task has written them. `closes` is `true` if the last of them is a close
    /// frame.
    pub(super) fn poll_pass_to_writer(
        &mut self,
        cx: &mut Context<'_>,
        half: &mut dyn SplitReadHalf,
        closes: bool,
    ) -> Poll<io::Result<()>> {
        if !self.unwritten.is_empty() {
            let passed = half.poll_control(cx, self.unwritten.front(), closes);
            let waited = mem::replace(&mut self.blocked, passed.is_pending());
            ready!(passed)?;
            self.written = Some(waited || self.written == Some(true));
            self.unflushed = true;
            self.unwritten.clear();
        }
        self.unwritten.shrink();
        if self.unflushed {
            ready!(half.poll_control_written(cx));
            self.unflushed = false;
        }
        Poll::Ready(Ok(()))
    }
}
