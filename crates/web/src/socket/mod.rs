//! The browser's socket: one interface for both kinds of sockets in browsers.
//!
//! ```text
//!            ┌ EventSocket   WebSocket: events, a timer while the browser's buffer is full
//!  Socket ───┤
//!            └ StreamSocket  WebSocketStream: promises, backpressure both ways
//! ```
//!
//! Messages and the end from the browser go to the [`ReceiveQueue`], from which they are polled.
//! This module does not interpret messages, timeouts or the end of a connection: module `websocket`
//! does.

mod bindings;
mod events;
mod receive_queue;
mod streams;

use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, MessageRef};
use wasm_bindgen::JsValue;

use crate::{ConnectError, Exception};
use events::EventSocket;
pub(crate) use receive_queue::{End, Received};
use streams::StreamSocket;

/// Close code for a socket that the program dropped. Replaces 1006, which a page cannot send.
const ABANDONED: u16 = 4006;

/// A socket of the browser. Dropping it detaches it from the program, and [aborts](Socket::abort)
/// the connection with 4006.
#[derive(Debug)]
pub(crate) enum Socket {
    Events(EventSocket),
    Streams(StreamSocket),
}

/// The subprotocol and extensions negotiated by the opening handshake.
#[derive(Clone, Debug, Default)]
pub(crate) struct Negotiated {
    /// The negotiated subprotocol; empty if none.
    pub(crate) subprotocol: String,
    /// The negotiated extensions, as in `Sec-WebSocket-Extensions`; empty if none.
    pub(crate) extensions: String,
}

impl Socket {
    /// Starts to connect, with `WebSocketStream` if preferred and supported. `queue` limits the
    /// received payloads that wait, in bytes.
    pub(crate) fn connect(
        url: &str,
        subprotocols: &[String],
        prefer_streams: bool,
        queue: usize,
    ) -> Result<Self, ConnectError> {
        let socket = if prefer_streams && StreamSocket::is_supported() {
            StreamSocket::connect(url, subprotocols, queue).map(Self::Streams)
        } else {
            EventSocket::connect(url, subprotocols, queue).map(Self::Events)
        };
        socket.map_err(|thrown| ConnectError::from(Exception::from(thrown)))
    }

    /// Waits until the socket is open.
    pub(crate) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<Negotiated, ConnectError>> {
        match self {
            Self::Events(socket) => socket.poll_open(cx),
            Self::Streams(socket) => socket.poll_open(cx),
        }
    }

    /// Waits for the payload of the next message, or for the end. Once reached, the end is returned
    /// by every call.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Received> {
        match self {
            Self::Events(socket) => socket.poll_next(cx),
            Self::Streams(socket) => socket.poll_next(cx),
        }
    }

    /// Returns whether the socket accepts messages: it is open, and neither side has begun to close
    /// it.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Events(socket) => socket.is_open(),
            Self::Streams(socket) => socket.is_open(),
        }
    }

    /// Passes a message to the browser.
    pub(crate) fn send(&self, message: MessageRef<'_>) -> Result<(), JsValue> {
        match self {
            Self::Events(socket) => socket.send(message),
            Self::Streams(socket) => {
                socket.send(message);
                Ok(())
            }
        }
    }

    /// Returns the number of bytes that the browser buffers and has not written yet.
    pub(crate) fn unsent(&self) -> usize {
        match self {
            Self::Events(socket) => socket.unsent(),
            Self::Streams(socket) => socket.unsent(),
        }
    }

    /// Registers the task to be woken when the number of unsent bytes may have decreased or the
    /// socket is no longer open. Returns `false` if the socket cannot notify: the caller then has
    /// to poll.
    pub(crate) fn wake_when_sent(&self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Events(_) => false,
            Self::Streams(socket) => {
                socket.wake_when_sent(cx);
                true
            }
        }
    }

    /// Starts the closing handshake, after the unsent messages. The socket is no longer open
    /// afterwards.
    pub(crate) fn close(&self, frame: CloseFrame) -> Result<(), JsValue> {
        match self {
            Self::Events(socket) => socket.close(&frame),
            Self::Streams(socket) => socket.close(frame),
        }
    }

    /// Closes the socket unless it is closed already, and discards arriving messages. With streams,
    /// unsent messages are lost.
    pub(crate) fn abort(&self, frame: &CloseFrame) {
        match self {
            // An error means that the socket is closed already. The browser discards arriving
            // messages.
            Self::Events(socket) => drop(socket.close(frame)),
            Self::Streams(socket) => socket.abort(frame),
        }
    }
}

/// Returns the close frame for a socket that the program dropped.
fn abandoned_frame() -> CloseFrame {
    CloseFrame::from(CloseCode::from(ABANDONED)).with_reason("dropped")
}

/// Returns whether the frame stands for an empty close frame: 1005 and no reason.
//= https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5
//# If this Close control frame contains no status code, _The WebSocket
//# Connection Close Code_ is considered to be 1005.
pub(crate) fn is_empty_close(frame: &CloseFrame) -> bool {
    frame.code == CloseCode::NO_STATUS_RCVD && frame.reason.is_empty()
}
