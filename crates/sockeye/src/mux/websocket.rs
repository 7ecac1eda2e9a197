//! Sessions over a WebSocket: each binary message is a record.

use std::io;
use std::task::{Context, Poll};

use bytes::Bytes;
use sockeye_proto::mux::Violation;
use sockeye_proto::{CloseCode, CloseFrame, Message};

use super::driver::{Input, RecordTransport};
use crate::{Error, WebSocket};

impl RecordTransport for WebSocket {
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pending_if_closed(self.driver.poll_capacity(cx))
    }

    fn send(&mut self, record: Bytes) -> io::Result<()> {
        self.driver.push(Message::Binary(record)).map_err(io::Error::from)
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        pending_if_closed(self.driver.poll_flush_sent(cx))
    }

    fn poll_input(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Input>> {
        let received = self.driver.poll_recv(cx).map_ok(|message| match message {
            Some(Message::Binary(record)) => Input::Record(record),
            Some(Message::Text(_)) => Input::Violation(Violation::Text),
            None => Input::End,
        });
        received.map(|input| match input {
            Err(Error::Disconnected) => Ok(Input::End),
            input => input.map_err(io::Error::from),
        })
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let frame = CloseFrame::from(CloseCode::NORMAL_CLOSURE);
        // The session has ended for this end in any case.
        self.driver.poll_close(cx, Some(&frame)).map(drop)
    }
}

/// Waits for the input to end when the closing handshake has begun: records of the peer may precede
/// the end.
fn pending_if_closed(polled: Poll<Result<(), Error>>) -> Poll<io::Result<()>> {
    match polled {
        Poll::Ready(Err(Error::Closed(_))) => Poll::Pending,
        polled => polled.map_err(io::Error::from),
    }
}
