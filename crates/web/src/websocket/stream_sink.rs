use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use sockeye_proto::{CloseCode, CloseFrame, Message};

use super::{Half, LateMessages, WebSocket};
use crate::error::{Error, Result};

/// A stream of the messages that [`WebSocket::recv`] returns. The stream ends after the closing
/// handshake or after an error.
impl Stream for WebSocket {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll_recv(cx).map(Result::transpose)
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.connection.has_ended()
    }
}

/// `start_send` is [`WebSocket::feed`]; closing is [`WebSocket::close`] with 1000.
impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().poll_send_capacity(cx)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<()> {
        self.connection.send(&message)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let frame = CloseFrame::from(CloseCode::NORMAL_CLOSURE);
        self.connection.begin_close(frame, LateMessages::Discarded)?;
        while ready!(self.connection.poll_recv(Half::Close, cx))?.is_some() {}
        Poll::Ready(Ok(()))
    }
}
