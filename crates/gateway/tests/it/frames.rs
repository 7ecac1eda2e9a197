//! Bodies whose frames the tests send.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

pub(crate) type FrameSender = mpsc::Sender<Frame<Bytes>>;

/// A body that ends when its sender is dropped.
pub(crate) struct Frames(mpsc::Receiver<Frame<Bytes>>);

pub(crate) fn frames() -> (FrameSender, Frames) {
    let (sender, receiver) = mpsc::channel(8);
    (sender, Frames(receiver))
}

impl Body for Frames {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(cx).map(|frame| frame.map(Ok))
    }

    /// A body whose sender was dropped before the head is one without a body.
    fn is_end_stream(&self) -> bool {
        self.0.is_closed() && self.0.is_empty()
    }
}
