//! Sessions over a byte stream: each record begins with its size.

use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes, BytesMut};
use sockeye_proto::mux::RecordDecoder;
use tokio::io::{AsyncRead, AsyncWrite};

use super::driver::{Input, RecordTransport};
use crate::driver::read;

/// Length of unwritten records from which no further record is taken, in bytes, equal to that of a
/// WebSocket.
const MAX_UNWRITTEN: usize = 64 * 1024;

/// Maximum number of records that a vectored write takes.
const MAX_SLICES: usize = 16;

/// Minimum space for the rest of a record, in bytes.
const MIN_READ: usize = 16 * 1024;

pub(super) struct StreamTransport<S> {
    stream: S,
    decoder: RecordDecoder,
    /// Input that is no whole record yet.
    input: BytesMut,
    output: VecDeque<Bytes>,
    /// Length of `output`, in bytes.
    unwritten: usize,
    is_shut_down: bool,
}

impl<S: AsyncRead + AsyncWrite + Unpin> StreamTransport<S> {
    pub(super) fn new(stream: S, decoder: RecordDecoder) -> Self {
        Self {
            stream,
            decoder,
            input: BytesMut::new(),
            output: VecDeque::new(),
            unwritten: 0,
            is_shut_down: false,
        }
    }

    /// Writes until at most `limit` bytes are unwritten.
    fn poll_write_to(&mut self, cx: &mut Context<'_>, limit: usize) -> Poll<io::Result<()>> {
        while self.unwritten > limit {
            let stream = Pin::new(&mut self.stream);
            let written = if stream.is_write_vectored() {
                let mut slices = [IoSlice::new(&[]); MAX_SLICES];
                let count = self.output.len().min(MAX_SLICES);
                for (slice, record) in slices.iter_mut().zip(&self.output) {
                    *slice = IoSlice::new(record);
                }
                stream.poll_write_vectored(cx, &slices[..count])
            } else {
                let front = self.output.front().map_or(&[][..], |record| record);
                stream.poll_write(cx, front)
            };
            match ready!(written)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                length => self.on_written(length),
            }
        }
        Poll::Ready(Ok(()))
    }

    fn on_written(&mut self, mut length: usize) {
        self.unwritten -= length;
        while let Some(front) = self.output.front_mut() {
            if length < front.len() {
                front.advance(length);
                return;
            }
            length -= front.len();
            self.output.pop_front();
        }
    }

    /// Reads input; `false` at the end of the stream.
    fn poll_read(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<bool>> {
        if self.input.is_empty() {
            // An idle session holds no buffer: this one is that of the thread.
            self.input = ready!(read::poll_read(&mut self.stream, cx))?;
            return Poll::Ready(Ok(!self.input.is_empty()));
        }
        self.input.reserve(MIN_READ);
        let length = ready!(read::poll_read_into(&mut self.stream, cx, &mut self.input))?;
        Poll::Ready(Ok(length > 0))
    }
}

impl<S> RecordTransport for StreamTransport<S>
where
    S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_write_to(cx, MAX_UNWRITTEN - 1)
    }

    fn send(&mut self, record: Bytes) -> io::Result<()> {
        self.unwritten += record.len();
        self.output.push_back(record);
        Ok(())
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_write_to(cx, 0))?;
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        loop {
            match self.decoder.decode(&mut self.input) {
                Ok(Some(record)) => return Poll::Ready(Ok(Input::Record(record))),
                Ok(None) => {}
                Err(violation) => return Poll::Ready(Ok(Input::Violation(violation))),
            }
            if !ready!(self.poll_read(cx))? {
                return Poll::Ready(Ok(Input::End));
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_shut_down {
            let flushed = ready!(self.poll_write_to(cx, 0));
            let shut_down = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
            if flushed.and(shut_down).is_err() {
                return Poll::Ready(());
            }
            self.is_shut_down = true;
        }
        //= https://www.ietf.org/archive/id/draft-ietf-quic-qmux-02.html
        //# QMux endpoints SHOULD discard any data they receive without processing it
        loop {
            match ready!(read::poll_read(&mut self.stream, cx)) {
                Ok(input) if !input.is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}
