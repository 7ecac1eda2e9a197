//! Sessions over a resumable stream: records pass to its buffers and back without a copy.

use std::io;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Bytes, BytesMut};
use sockeye_proto::mux::RecordDecoder;
use tokio::io::AsyncWrite as _;

use super::driver::{Input, RecordTransport};
use crate::resume::ResumableStream;

pub(super) struct ResumableTransport {
    stream: ResumableStream,
    decoder: RecordDecoder,
    /// Input in the memory in which it has arrived.
    chunk: Bytes,
    /// The begin of a record that ends in a later chunk.
    begun: BytesMut,
    /// The rest of a record for which the stream has no space.
    output: Bytes,
    is_shut_down: bool,
}

impl ResumableTransport {
    pub(super) fn new(stream: ResumableStream, decoder: RecordDecoder) -> Self {
        Self {
            stream,
            decoder,
            chunk: Bytes::new(),
            begun: BytesMut::new(),
            output: Bytes::new(),
            is_shut_down: false,
        }
    }

    fn poll_output(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.output.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.stream.poll_write_chunk(&mut self.output, cx).map_err(io::Error::from)
    }

    /// Returns the next record of the chunk, together with what begun before; `None` if there is no
    /// whole one.
    fn decode(&mut self) -> Result<Option<Bytes>, Input> {
        let decoded = if self.begun.is_empty() {
            self.decoder.decode(&mut self.chunk)
        } else {
            loop {
                match self.decoder.decode(&mut self.begun) {
                    Ok(None) if !self.chunk.is_empty() => {
                        let missing = self.decoder.missing(&self.begun).min(self.chunk.len());
                        self.begun.extend_from_slice(&self.chunk.split_to(missing.max(1)));
                    }
                    decoded => break decoded,
                }
            }
        };
        decoded.map_err(Input::Violation)
    }
}

impl RecordTransport for ResumableTransport {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_output(cx))?;
        self.stream.poll_mostly_sent(cx).map_err(io::Error::from)
    }

    fn send(&mut self, record: Bytes) -> io::Result<()> {
        self.output = record;
        Ok(())
    }

    /// Passes the output on: the task of the stream writes it.
    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_output(cx)
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        loop {
            match self.decode() {
                Ok(Some(record)) => return Poll::Ready(Ok(Input::Record(record))),
                Ok(None) => {}
                Err(violation) => return Poll::Ready(Ok(violation)),
            }
            self.begun.extend_from_slice(&mem::take(&mut self.chunk));
            self.chunk = ready!(self.stream.poll_read_chunk(cx))?;
            if self.chunk.is_empty() {
                return Poll::Ready(Ok(Input::End));
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_shut_down {
            let flushed = ready!(self.poll_output(cx));
            let shut_down = ready!(Pin::new(&mut self.stream).poll_shutdown(cx));
            if flushed.and(shut_down).is_err() {
                return Poll::Ready(());
            }
            self.is_shut_down = true;
        }
        // As for other byte streams, input is discarded until its end.
        loop {
            match ready!(self.stream.poll_read_chunk(cx)) {
                Ok(chunk) if !chunk.is_empty() => {}
                _ => return Poll::Ready(()),
            }
        }
    }
}
