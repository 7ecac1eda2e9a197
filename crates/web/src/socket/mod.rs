//! A socket of the browser, by one set of verbs for both kinds that browsers have.
//!
//! ```text
//!            ┌ EventSocket   WebSocket: events, a timer while the browser's buffer is full
//!  Socket ───┤
//!            └ StreamSocket  WebSocketStream: promises, backpressure both ways
//! ```
//!
//! Whatever the browser says ends up in the [`Inbox`], from where it is polled. Nothing here knows what a message may be, how
//! long it may take, or what an end means: that is for `websocket`.

mod bindings;
mod events;
mod inbox;
mod streams;

use std::task::{Context, Poll};

use sockeye_proto::{CloseCode, CloseFrame, MessageRef};
use wasm_bindgen::JsValue;

use crate::{ConnectError, Exception};
use events::EventSocket;
pub(crate) use inbox::{End, Received};
use streams::StreamSocket;

/// What stands for 1006 where a page has to say something: it leaves without a closing handshake.
const ABANDONED: u16 = 4006;

/// A socket of the browser. Dropping it detaches it from the program, and [leaves](Socket::leave) it with 4006.
#[derive(Debug)]
pub(crate) enum Socket {
    Events(EventSocket),
    Streams(StreamSocket),
}

/// What the opening handshake agreed on.
#[derive(Clone, Debug, Default)]
pub(crate) struct Negotiated {
    /// Empty when there is none.
    pub(crate) subprotocol: String,
    /// As `Sec-WebSocket-Extensions` states them; empty when there are none.
    pub(crate) extensions: String,
}

impl Socket {
    /// Begins to connect, by `WebSocketStream` if that is wanted and there. `queue` bounds what waits to be received, in bytes.
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

    /// Waits until it is open.
    pub(crate) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<Negotiated, ConnectError>> {
        match self {
            Self::Events(socket) => socket.poll_open(cx),
            Self::Streams(socket) => socket.poll_open(cx),
        }
    }

    /// Waits for the payload of the next message, or for the end, which stays.
    pub(crate) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Received> {
        match self {
            Self::Events(socket) => socket.poll_next(cx),
            Self::Streams(socket) => socket.poll_next(cx),
        }
    }

    /// Whether it would take a message: it is open, and nobody has begun to close it.
    pub(crate) fn is_open(&self) -> bool {
        match self {
            Self::Events(socket) => socket.is_open(),
            Self::Streams(socket) => socket.is_open(),
        }
    }

    /// Gives a message to the browser.
    pub(crate) fn send(&self, message: MessageRef<'_>) -> Result<(), JsValue> {
        match self {
            Self::Events(socket) => socket.send(message),
            Self::Streams(socket) => {
                socket.send(message);
                Ok(())
            }
        }
    }

    /// How much the browser holds that it has not written yet, in bytes.
    pub(crate) fn unsent(&self) -> usize {
        match self {
            Self::Events(socket) => socket.unsent(),
            Self::Streams(socket) => socket.unsent(),
        }
    }

    /// Wakes when there may be less of it, or the socket is not open any more. `false` when the socket cannot tell: then the
    /// caller has to look again.
    pub(crate) fn wake_when_sent(&self, cx: &mut Context<'_>) -> bool {
        match self {
            Self::Events(_) => false,
            Self::Streams(socket) => {
                socket.wake_when_sent(cx);
                true
            }
        }
    }

    /// Begins the closing handshake, after what is unsent. It is not open any more.
    pub(crate) fn close(&self, frame: CloseFrame) -> Result<(), JsValue> {
        match self {
            Self::Events(socket) => socket.close(&frame),
            Self::Streams(socket) => socket.close(frame),
        }
    }

    /// Closes it, unless that was done, and discards what arrives. With streams, what is unsent is lost.
    pub(crate) fn leave(&self, frame: &CloseFrame) {
        match self {
            // An error says that it is closed already. The browser discards what arrives.
            Self::Events(socket) => drop(socket.close(frame)),
            Self::Streams(socket) => socket.leave(frame),
        }
    }
}

/// How a socket is closed that the program dropped.
fn abandoned() -> CloseFrame {
    CloseFrame::from(CloseCode::from(ABANDONED)).with_reason("dropped")
}
