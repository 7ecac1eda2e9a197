use std::cell::{Cell, OnceCell, RefCell};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use js_sys::{ArrayBuffer, JsString, Uint8Array};
use sockeye_proto::{CloseCode, CloseFrame, Message, ProtocolError, UsageError, Utf8Bytes};
use wasm_bindgen::{JsCast, JsValue};

use super::closing::ClosingDeadline;
use super::halves::{Half, Halves};
use crate::socket::{End, Negotiated, Received, Socket};
use crate::{Error, Exception, Result};

/// What stands for 1009 where a page has to say something: a message was too long.
const MESSAGE_TOO_BIG: u16 = 4009;

/// A socket and what its messages and its end mean, for one that receives and any number that send.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: Socket,
    limits: Cell<Limits>,
    phase: RefCell<Phase>,
    close_frame: OnceCell<CloseFrame>,
    halves: Halves,
    pub(crate) negotiated: Negotiated,
    pub(crate) url: String,
}

/// How much and how long.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Of a received message, in bytes.
    pub(crate) message: usize,
    /// What the browser may hold before sending waits, in bytes.
    pub(crate) unsent: usize,
    /// The closing handshake.
    pub(crate) closing: Duration,
    /// Nothing is taken of what is unsent: `None` for no limit.
    pub(crate) write: Option<Duration>,
}

/// ```text
/// Open ── begin_close ──► Closing ── the browser says so, or the deadline passes ──► Over
///   └──────────────────── the peer closes, or an error ───────────────────────────────▲
/// ```
#[derive(Debug)]
enum Phase {
    Open,
    Closing { deadline: ClosingDeadline, arrivals: Arrivals },
    Over,
}

/// What becomes of messages that arrive while the connection is being closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arrivals {
    Discarded,
    Received,
}

impl Connection {
    pub(crate) fn new(socket: Socket, negotiated: Negotiated, limits: Limits, url: String) -> Self {
        Self {
            socket,
            limits: Cell::new(limits),
            phase: RefCell::new(Phase::Open),
            close_frame: OnceCell::new(),
            halves: Halves::default(),
            negotiated,
            url,
        }
    }

    /// Waits for the next message; `None` when the closing handshake was done, or after an error. Both halves may wait.
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

    /// Wakes the task that receives, as there is something for it to do.
    pub(crate) fn wake_receiver(&self) {
        self.halves.wake_half(Half::Receive);
    }

    fn poll_message(&self, cx: &mut Context<'_>) -> Poll<Result<Option<Message>>> {
        let late = loop {
            let mut discarded = false;
            match &mut *self.phase.borrow_mut() {
                Phase::Open => {}
                Phase::Closing { deadline, arrivals } => {
                    if let Poll::Ready(late) = deadline.poll(cx, self.limits.get(), &self.socket) {
                        break late;
                    }
                    discarded = *arrivals == Arrivals::Discarded;
                }
                Phase::Over => return Poll::Ready(Ok(None)),
            }
            match ready!(self.socket.poll_next(cx)) {
                Received::End(end) => return Poll::Ready(self.ended(end)),
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
        self.phase.replace(Phase::Over);
        Poll::Ready(Err(late.into()))
    }

    /// Whether it takes messages.
    pub(crate) fn is_open(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Open) && self.socket.is_open()
    }

    /// Whether there was an end, and it was told.
    pub(crate) fn is_over(&self) -> bool {
        matches!(*self.phase.borrow(), Phase::Over)
    }

    /// The error of a message for a connection that is closed.
    pub(crate) fn too_late(&self) -> Error {
        Error::Closed(self.close_frame().cloned())
    }

    /// Gives a message to the browser, whether there is room or not.
    pub(crate) fn send(&self, message: &Message) -> Result<()> {
        if !self.is_open() {
            return Err(self.too_late());
        }
        Ok(self.socket.send(message.as_ref()).map_err(Exception::from)?)
    }

    /// Begins the closing handshake, unless it has begun: after all that was sent before.
    pub(crate) fn begin_close(&self, frame: CloseFrame, arrivals: Arrivals) -> Result<()> {
        check(&frame)?;
        let mut phase = self.phase.borrow_mut();
        if matches!(*phase, Phase::Open) {
            let deadline = ClosingDeadline::new(self.limits.get(), self.socket.unsent());
            self.socket.close(frame).map_err(Exception::from)?;
            *phase = Phase::Closing { deadline, arrivals };
            drop(phase);
            // A task that receives has a deadline from now on.
            self.halves.wake();
        }
        Ok(())
    }

    /// Ends the connection with a word to the peer, whose answer nobody waits for.
    pub(crate) fn abandon(&self, frame: &CloseFrame) {
        self.phase.replace(Phase::Over);
        self.socket.leave(frame);
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

    fn ended(&self, end: End) -> Result<Option<Message>> {
        self.phase.replace(Phase::Over);
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

/// Whether a page may send it.
pub(crate) fn check(frame: &CloseFrame) -> Result<(), UsageError> {
    CloseFrame::new(frame.code, frame.reason.clone())?;
    match u16::from(frame.code) {
        1000 | 3000..=4999 => Ok(()),
        _ => Err(UsageError::InvalidCloseCode { code: frame.code }),
    }
}

/// A message from what the browser gave, copied into the program's memory.
fn decode(payload: &JsValue, limit: usize) -> Result<Message, ProtocolError> {
    let too_long = ProtocolError::MessageTooLong { limit };
    if let Some(text) = payload.dyn_ref::<JsString>() {
        // In UTF-8 it is at least as long as it has units in UTF-16.
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
