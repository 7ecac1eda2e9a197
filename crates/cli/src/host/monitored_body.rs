//! Response bodies over HTTP/2 that record when the client takes data, so that a connection whose
//! client takes none is closed.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

use super::streams::{ResponseGuard, StreamGuard, Streams};

/// Maximum size of a chunk of a response body, in bytes. hyper polls for the next chunk when the
/// client's flow-control window has space for it, which shows that the client takes data. Equal to
/// one HTTP/2 frame, unless the client accepts larger ones.
const CHUNK_SIZE: usize = 16 * 1024;

/// A response body that yields its data in chunks and records each of them as progress.
pub(crate) struct MonitoredBody {
    body: Body,
    /// Data of the last frame that has not been yielded.
    remaining: Bytes,
    streams: Streams,
    /// Counts the stream as open while the body waits for its source, when the client has nothing
    /// to take.
    open_stream: Option<StreamGuard>,
    _response: ResponseGuard,
}

impl MonitoredBody {
    /// Wraps the body of a response on one of `streams`.
    pub(crate) fn new(body: Body, streams: &Streams) -> Self {
        let (streams, response) = (streams.clone(), streams.begin_response());
        Self { body, remaining: Bytes::new(), streams, open_stream: None, _response: response }
    }
}

impl hyper::body::Body for MonitoredBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.remaining.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
                this.open_stream.get_or_insert_with(|| this.streams.open());
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.remaining = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        this.open_stream = None;
        this.streams.record_progress();
        let chunk = this.remaining.split_to(this.remaining.len().min(CHUNK_SIZE));
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.remaining.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, remaining) = (self.body.size_hint(), self.remaining.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + remaining);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + remaining);
        }
        whole
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use hyper::body::Body as _;

    use super::*;

    #[tokio::test]
    async fn a_body_is_yielded_in_chunks_and_completely() {
        let text: Vec<u8> = (0..=255).cycle().take(40_000).collect();
        let mut body = MonitoredBody::new(Body::from(text.clone()), &Streams::default());
        assert_eq!(body.size_hint().exact(), Some(40_000));
        let mut received = Vec::new();
        let mut chunks = 0;
        while !body.is_end_stream() {
            let frame = poll_fn(|cx| Pin::new(&mut body).poll_frame(cx)).await;
            let chunk = frame.expect("more").expect("no error").into_data().expect("data");
            assert!(chunk.len() <= CHUNK_SIZE);
            received.extend_from_slice(&chunk);
            chunks += 1;
            assert_eq!(body.size_hint().exact(), Some(40_000 - received.len() as u64));
        }
        assert_eq!(received, text);
        assert_eq!(chunks, 3);
    }
}
