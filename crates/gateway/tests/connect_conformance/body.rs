//! A body whose frames come from a queue.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame};
use tokio::sync::mpsc;

/// Maximum number of frames in the queue: more than the messages of any case, so that a sender
/// does not wait for a peer that reads nothing.
const QUEUE: usize = 16;

/// The frames of a body.
pub(crate) type FrameSender = mpsc::Sender<Frame<Bytes>>;

/// A body that ends when its sender is dropped.
#[derive(Debug)]
pub(crate) struct QueueBody {
    frames: mpsc::Receiver<Frame<Bytes>>,
}

/// Creates a body and its sender.
pub(crate) fn queue_body() -> (FrameSender, QueueBody) {
    let (sender, frames) = mpsc::channel(QUEUE);
    (sender, QueueBody { frames })
}

impl Body for QueueBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.frames.poll_recv(cx).map(|frame| frame.map(Ok))
    }
}
