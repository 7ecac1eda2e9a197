//! Length prefixes of messages in the frames of a body.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Frame, SizeHint};

use super::scope::Counters;

/// Length of the prefix of a message, in bytes: a flag and four bytes of length.
const PREFIX: usize = 5;

/// A scanner that finds the prefixes of messages, however the bytes are split.
#[derive(Debug, Default)]
pub(super) struct Prefixes {
    /// The bytes of a prefix so far.
    prefix: [u8; PREFIX],
    filled: usize,
    /// Number of bytes of the current message that are still to come.
    rest: usize,
}

impl Prefixes {
    /// Calls `on_message` with the flags and the length of each message that begins in the bytes.
    ///
    /// # Errors
    /// The first error of `on_message`.
    pub(super) fn scan<E>(
        &mut self,
        mut data: &[u8],
        mut on_message: impl FnMut(u8, u32) -> Result<(), E>,
    ) -> Result<(), E> {
        while !data.is_empty() {
            if self.rest > 0 {
                let length = self.rest.min(data.len());
                self.rest -= length;
                data = &data[length..];
                continue;
            }
            let length = (PREFIX - self.filled).min(data.len());
            self.prefix[self.filled..][..length].copy_from_slice(&data[..length]);
            self.filled += length;
            data = &data[length..];
            if self.filled == PREFIX {
                let [flags, length @ ..] = self.prefix;
                let length = u32::from_be_bytes(length);
                on_message(flags, length)?;
                // A part of a message is never longer than memory.
                (self.filled, self.rest) = (0, usize::try_from(length).unwrap_or(usize::MAX));
            }
        }
        Ok(())
    }

    /// Returns the number of messages that begin in the bytes.
    pub(super) fn count(&mut self, data: &[u8]) -> u64 {
        let mut count = 0;
        let scanned = self.scan(data, |_, _| {
            count += 1;
            Ok::<_, std::convert::Infallible>(())
        });
        let Ok(()) = scanned;
        count
    }
}

/// A request body on its way to the upstream, whose messages are counted.
#[derive(Debug)]
pub(super) struct CountedBody<B> {
    inner: B,
    prefixes: Prefixes,
    counters: Arc<Counters>,
}

impl<B> CountedBody<B> {
    pub(super) fn new(inner: B, counters: Arc<Counters>) -> Self {
        Self { inner, prefixes: Prefixes::default(), counters }
    }
}

impl<B: http_body::Body<Data = Bytes> + Unpin> http_body::Body for CountedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        let frame = ready!(Pin::new(&mut this.inner).poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            this.counters.count_request_messages(this.prefixes.count(data));
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_found_however_the_bytes_are_split() {
        let stream = b"\0\0\0\0\x03abc\0\0\0\0\0\x01\0\0\0\x04defg";
        for split in 0..stream.len() {
            let (first, second) = stream.split_at(split);
            let (mut prefixes, mut found) = (Prefixes::default(), Vec::new());
            for piece in [first, second] {
                let scanned = prefixes.scan(piece, |flags, length| {
                    found.push((flags, length));
                    Ok::<_, ()>(())
                });
                assert_eq!(scanned, Ok(()));
            }
            assert_eq!(found, [(0, 3), (0, 0), (1, 4)], "{split}");
        }
    }

    #[test]
    fn an_error_ends_the_scan() {
        let refused = Prefixes::default().scan(b"\0\0\0\0\x03abc\0\0\0\0\x04", |_, length| {
            if length > 3 { Err(length) } else { Ok(()) }
        });
        assert_eq!(refused, Err(4));
    }
}
