use std::cell::{Cell, OnceCell, RefCell};
use std::task::{Context, Poll, ready};

use js_sys::{ArrayBuffer, JsString, Uint8Array};
use sockeye_proto::{CloseCode, CloseFrame, Message, ProtocolError, UsageError, Utf8Bytes};
use wasm_bindgen::{JsCast, JsValue};

use super::closing::ClosingDeadline;
use super::halves::{Half, Halves};
use super::limits::Limits;
use crate::socket::{End, Negotiated, Received, Socket, is_empty_close};
use crate::{Error, Exception, Result};

/// Close code for a message that is too long. Replaces 1009, which a page cannot send.
const MESSAGE_TOO_BIG: u16 = 4009;

/// A connection: interprets the messages and the end of a socket, for one receiver and any number
/// of senders.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    limits: Cell<Limits>,
    state: RefCell<ConnectionState>,
    close_frame: OnceCell<CloseFrame>,
    halves: Halves,
    pub(crate) negotiated: Negotiated,
    pub(crate) url: String,
}

/// ```text
/// Open ── begin_close ──► Closing ── the browser says so, or the deadline passes ──► Ended
///   └──────────────────── the peer closes, or an error ───────────────────────────────▲
/// ```
#[derive(Debug)]
enum ConnectionState {
    Open,
    Closing { deadline: ClosingDeadline, late_messages: LateMessages },
    Ended,
}

/// The treatment of messages that arrive while the connection is closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LateMessages {
    Discarded,
    Received,
}

impl Connection {
    pub(crate) fn new(socket: Socket, negotiated: Negotiated, limits: Limits, url: String) -> Self {
        Self {
            socket,
            limits: Cell::new(limits),
            state: RefCell::new(ConnectionState::Open),
            close_frame: OnceCell::new(),
            halves: Halves::default(),
            negotiated,
            url,
        }
    }

    /// Waits for the next message. Returns `None` after the closing handshake or after an error.
    /// Both halves may wait at the same time.
    pub(crate) fn poll_recv(
        &self,
        half: Half,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Message>>> {
        let waker = self.halves.wait(half, cx);
        let received = self.poll_message(&mut Context::from_waker(&waker));
        if received.is_ready() {
            self.halves.end_wait(half);
        }
        received
    }

    /// Wakes the receiving task, which has work to do.
    pub(crate) fn wake_receiver(&self) {
        self.halves.wake_half(Half::Receive);
    }

    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        let late = loop {
            let mut discarded = false;
            match &mut *self.state.borrow_mut() {
                ConnectionState::Open => {}
                ConnectionState::Closing { deadline, late_messages } => {
                    if let Poll::Ready(late) = deadline.poll(cx, self.limits.get(), &self.socket) {
                        break late;
                    }
                    discarded = *late_messages == LateMessages::Discarded;
                }
                ConnectionState::Ended => return Poll::Ready(Ok(None)),
            }
            match ready!(self.socket.poll_next(cx)) {
                Received::End(end) => return Poll::Ready(self.on_end(end)),
                Received::Payload(_) if discarded => {}
                Received::Payload(payload) => {
                    let message = decode(&payload, self.limits.get().message);
                    if message.is_err() {
                        let code = CloseCode::from(MESSAGE_TOO_BIG);
                        let reason = Utf8Bytes::from_static("message too long");
                        self.abandon(&CloseFrame::from(code).with_reason(reason));
                    }
                    return Poll::Ready(Ok(Some(message?)));
                }
            }
        };
        self.state.replace(ConnectionState::Ended);
        Poll::Ready(Err(late.into()))
    }

    /// Returns whether the connection accepts messages.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.state.borrow(), ConnectionState::Open) && self.socket.is_open()
    }

    /// Returns whether the connection has ended and the end was reported.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(*self.state.borrow(), ConnectionState::Ended)
    }

    /// Returns the error for a message sent after the connection was closed.
    pub(crate) fn closed_error(&self) -> Error {
        Error::Closed(self.close_frame().cloned())
    }

    /// Passes a message to the browser, regardless of send capacity.
    pub(crate) fn send(&self, message: &Message) -> Result<()> {
        if !self.is_open() {
            return Err(self.closed_error());
        }
        Ok(self.socket.send(message.as_ref()).map_err(Exception::from)?)
    }

    /// Starts the closing handshake after all messages sent before, unless the handshake has
    /// started.
    pub(crate) fn begin_close(&self, frame: CloseFrame, late_messages: LateMessages) -> Result<()> {
        check_close_frame(&frame)?;
        let mut state = self.state.borrow_mut();
        if matches!(*state, ConnectionState::Open) {
            let deadline = ClosingDeadline::new(self.limits.get(), self.socket.unsent());
            self.socket.close(frame).map_err(Exception::from)?;
            *state = ConnectionState::Closing { deadline, late_messages };
            drop(state);
            // The receiving task has a deadline from now on.
            self.halves.wake();
        }
        Ok(())
    }

    /// Closes the connection with this frame, without waiting for the peer's answer.
    pub(crate) fn abandon(&self, frame: &CloseFrame) {
        self.state.replace(ConnectionState::Ended);
        self.socket.abort(frame);
        self.halves.wake();
    }

    pub(crate) fn close_frame(&self) -> Option<&CloseFrame> {
        self.close_frame.get()
    }

    pub(crate) fn limits(&self) -> Limits {
        self.limits.get()
    }

    pub(crate) fn set_limits(&self, limits: Limits) {
        self.limits.set(limits);
    }

    pub(crate) fn socket(&self) -> &Socket {
        &self.socket
    }

    fn on_end(&self, end: End) -> Result<Option<Message>> {
        self.state.replace(ConnectionState::Ended);
        match end {
            End::Closed(frame) => {
                if let Some(frame) = frame {
                    self.close_frame.get_or_init(|| frame);
                }
                Ok(None)
            }
            End::Lost => Err(Error::Disconnected),
            End::Failed(frame) => Err(Error::Failed(frame)),
            End::Overflow { limit } => Err(Error::QueueFull { limit }),
        }
    }
}

/// Checks whether a page may send this close frame.
pub(crate) fn check_close_frame(frame: &CloseFrame) -> Result<(), UsageError> {
    if is_empty_close(frame) {
        return Ok(());
    }
    CloseFrame::new(frame.code, frame.reason.clone())?;
    match u16::from(frame.code) {
        1000 | 3000..=4999 => Ok(()),
        _ => Err(UsageError::InvalidCloseCode { code: frame.code }),
    }
}

/// Converts a payload of the browser to a message, copied into the program's memory.
fn decode(payload: &JsValue, limit: usize) -> Result<Message, ProtocolError> {
    let too_long = ProtocolError::MessageTooLong { limit };
    if let Some(text) = payload.dyn_ref::<JsString>() {
        // A text in UTF-8 has at least as many bytes as it has code units in UTF-16.
        if text.length() as usize > limit {
            return Err(too_long);
        }
        let text = String::from(text);
        return if text.len() > limit { Err(too_long) } else { Ok(text.into()) };
    }
    let bytes = match payload.dyn_ref::<ArrayBuffer>() {
        Some(buffer) => Uint8Array::new(buffer),
        None => payload.unchecked_ref::<Uint8Array>().clone(),
    };
    if bytes.length() as usize > limit {
        return Err(too_long);
    }
    Ok(bytes.to_vec().into())
}
