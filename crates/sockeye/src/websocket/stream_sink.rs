use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use sockeye_proto::{CloseCode, CloseFrame, Message};

use super::WebSocket;
use crate::error::{Error, Result};

/// Who waits for the halves that `futures_util::StreamExt::split` gives to two tasks.
///
/// A transport knows one task to wake for each direction, and either half moves both: the stream writes before it reads,
/// and closing the sink reads. So each wakes the other's task when it has done the other's work.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    sink: Option<Waker>,
    stream: Option<Waker>,
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

/// The messages, as [`WebSocket::recv`] gives them: the stream ends after the closing handshake or after an error.
impl Stream for WebSocket {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = self.get_mut();
        let polled = this.poll_recv(cx).map(Result::transpose);
        if this.output.is_empty() || this.ending.has_begun() {
            wake(&mut this.waiting.sink);
        }
        this.waiting.stream = polled.is_pending().then(|| cx.waker().clone());
        polled
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.ending.is_done()
    }
}

/// `start_send` is [`WebSocket::feed`]; closing is [`WebSocket::close`] with 1000.
impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let polled = this.poll_room(cx);
        this.waiting.sink = polled.is_pending().then(|| cx.waker().clone());
        polled
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<()> {
        self.get_mut().push(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let polled = this.poll_flush_output(cx);
        this.waiting.sink = polled.is_pending().then(|| cx.waker().clone());
        if this.ending.has_begun() {
            // It was given up, which nobody else would tell the stream.
            wake(&mut this.waiting.stream);
        }
        polled
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let this = self.get_mut();
        let polled = this.poll_close_with(cx, &CloseFrame::from(CloseCode::NORMAL_CLOSURE));
        this.waiting.sink = polled.is_pending().then(|| cx.waker().clone());
        if polled.is_ready() {
            wake(&mut this.waiting.stream);
        }
        polled
    }
}
