//! Response bodies over HTTP/2, monitored: a connection whose client takes none of them is closed.

use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use hyper::body::{Frame, SizeHint};

use super::streams::{ResponseGuard, Stream, Streams};

/// Size of a piece of a response body, in bytes. hyper polls for the next piece when the client's
/// flow-control window has space for it, which shows that the client takes data. Equal to one
/// HTTP/2 frame, unless the client accepts larger ones.
const PIECE: usize = 16 * 1024;

/// A response body, given in pieces.
pub(crate) struct Answer {
    body: Body,
    /// The part of the last frame that was not given yet.
    rest: Bytes,
    streams: Streams,
    /// Set while the body waits for its producer: the client need not take anything then.
    producing: Option<Stream>,
    _answering: ResponseGuard,
}

impl Answer {
    /// Wraps the body of a response on one of `streams`.
    pub(crate) fn new(body: Body, streams: &Streams) -> Self {
        let (streams, answering) = (streams.clone(), streams.answer());
        Self { body, rest: Bytes::new(), streams, producing: None, _answering: answering }
    }
}

impl hyper::body::Body for Answer {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.rest.is_empty() {
            let Poll::Ready(frame) = Pin::new(&mut this.body).poll_frame(cx) else {
                this.producing.get_or_insert_with(|| this.streams.enter());
                return Poll::Pending;
            };
            match frame.map(|frame| frame.map(Frame::into_data)) {
                Some(Ok(Ok(data))) => this.rest = data,
                Some(Ok(Err(frame))) => return Poll::Ready(Some(Ok(frame))),
                Some(Err(error)) => return Poll::Ready(Some(Err(error))),
                None => return Poll::Ready(None),
            }
        }
        this.producing = None;
        this.streams.progressed();
        let piece = this.rest.split_to(this.rest.len().min(PIECE));
        Poll::Ready(Some(Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let (hint, rest) = (self.body.size_hint(), self.rest.len() as u64);
        let mut whole = SizeHint::new();
        whole.set_lower(hint.lower() + rest);
        if let Some(upper) = hint.upper() {
            whole.set_upper(upper + rest);
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
    async fn a_body_comes_in_pieces_and_whole() {
        let text: Vec<u8> = (0..=255).cycle().take(40_000).collect();
        let mut answer = Answer::new(Body::from(text.clone()), &Streams::default());
        assert_eq!(answer.size_hint().exact(), Some(40_000));
        let mut received = Vec::new();
        let mut pieces = 0;
        while !answer.is_end_stream() {
            let frame = poll_fn(|cx| Pin::new(&mut answer).poll_frame(cx)).await;
            let piece = frame.expect("more").expect("no error").into_data().expect("data");
            assert!(piece.len() <= PIECE);
            received.extend_from_slice(&piece);
            pieces += 1;
            assert_eq!(answer.size_hint().exact(), Some(40_000 - received.len() as u64));
        }
        assert_eq!(received, text);
        assert_eq!(pieces, 3);
    }
}
