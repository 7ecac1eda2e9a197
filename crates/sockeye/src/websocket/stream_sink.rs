use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_core::stream::FusedStream;
use futures_sink::Sink;
use sockeye_proto::{CloseCode, CloseFrame, Message};

use super::WebSocket;
use crate::driver::{Driver, Half};
use crate::error::{Error, Result};

/// The stream of messages that [`WebSocket::recv`] returns: it ends after the closing handshake or
/// after an error.
///
/// # In two tasks
/// `futures_util::StreamExt::split` gives the stream and the sink to two tasks. Either can be
/// dropped or stop waiting at any time: the other one continues, and its timeouts apply. Pings are
/// answered and the keepalive is watched while the stream is polled, as while
/// [`recv`](WebSocket::recv) is awaited.
impl Stream for WebSocket {
    type Item = Result<Message>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().driver.poll_half(Half::Read, cx, Driver::poll_recv).map(Result::transpose)
    }
}

impl FusedStream for WebSocket {
    fn is_terminated(&self) -> bool {
        self.driver.is_terminated()
    }
}

/// The sink of messages: `start_send` is [`WebSocket::feed`]; closing is [`WebSocket::close`] with
/// 1000. `SinkExt::send` flushes, as a sink promises, also in a handler that a server runs:
/// `SinkExt::feed` and `StreamExt::forward` write several messages at once.
impl Sink<Message> for WebSocket {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().driver.poll_half(Half::Write, cx, Driver::poll_capacity)
    }

    fn start_send(self: Pin<&mut Self>, message: Message) -> Result<()> {
        self.get_mut().driver.push(message)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        self.get_mut().driver.poll_half(Half::Write, cx, Driver::poll_flush_sent)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        let frame = CloseFrame::from(CloseCode::NORMAL_CLOSURE);
        self.get_mut()
            .driver
            .poll_half(Half::Write, cx, |driver, cx| driver.poll_close(cx, Some(&frame)))
    }
}
