use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use js_sys::Array;
use sockeye_proto::{CloseFrame, MessageRef};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use super::inbox::{End, Inbox, Received, wake};
use super::{Negotiated, abandoned};
use crate::ConnectError;

/// Close code for a full receive queue. Replaces 1008, which a page cannot send.
const QUEUE_FULL: u16 = 4008;

/// A `WebSocket`, which delivers messages as events, without backpressure.
pub(crate) struct EventSocket {
    socket: WebSocket,
    inbox: Rc<RefCell<Inbox>>,
    /// Kept alive for as long as the socket can call them.
    _handlers: Handlers,
}

struct Handlers {
    _change: Closure<dyn FnMut()>,
    _message: Closure<dyn FnMut(MessageEvent)>,
    _close: Closure<dyn FnMut(CloseEvent)>,
}

impl EventSocket {
    pub(super) fn connect(
        url: &str,
        subprotocols: &[String],
        queue: usize,
    ) -> Result<Self, JsValue> {
        let names: Array = subprotocols.iter().map(|name| JsValue::from_str(name)).collect();
        let socket = WebSocket::new_with_str_sequence(url, &names)?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        let handlers = Handlers {
            _change: on_change(&socket, &inbox),
            _message: on_message(&socket, &inbox, queue),
            _close: on_close(&socket, &inbox),
        };
        Ok(Self { socket, inbox, _handlers: handlers })
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<Negotiated, ConnectError>> {
        if self.socket.ready_state() == WebSocket::OPEN {
            return Poll::Ready(Ok(Negotiated {
                subprotocol: self.socket.protocol(),
                extensions: self.socket.extensions(),
            }));
        }
        let mut inbox = self.inbox.borrow_mut();
        if inbox.has_ended() || self.socket.ready_state() == WebSocket::CLOSED {
            return Poll::Ready(Err(ConnectError::Failed));
        }
        inbox.wait(cx);
        Poll::Pending
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Received> {
        self.inbox.borrow_mut().poll(cx)
    }

    pub(super) fn is_open(&self) -> bool {
        self.socket.ready_state() == WebSocket::OPEN
    }

    pub(super) fn send(&self, message: MessageRef<'_>) -> Result<(), JsValue> {
        match message {
            MessageRef::Text(text) => self.socket.send_with_str(text),
            MessageRef::Binary(bytes) => self.socket.send_with_u8_array(bytes),
        }
    }

    pub(super) fn unsent(&self) -> usize {
        self.socket.buffered_amount() as usize
    }

    pub(super) fn close(&self, frame: &CloseFrame) -> Result<(), JsValue> {
        self.socket.close_with_code_and_reason(frame.code.into(), &frame.reason)
    }
}

/// Installs the handler of the `open` and `error` events. When a page's policy forbids the
/// connection, Chromium fires `error` only, without `close`.
fn on_change(socket: &WebSocket, inbox: &Rc<RefCell<Inbox>>) -> Closure<dyn FnMut()> {
    let inbox = inbox.clone();
    let handler = Closure::<dyn FnMut()>::new(move || {
        let receiver = inbox.borrow_mut().changed();
        wake(receiver);
    });
    socket.set_onopen(Some(handler.as_ref().unchecked_ref()));
    socket.set_onerror(Some(handler.as_ref().unchecked_ref()));
    handler
}

fn on_message(
    socket: &WebSocket,
    inbox: &Rc<RefCell<Inbox>>,
    limit: usize,
) -> Closure<dyn FnMut(MessageEvent)> {
    let handler = Closure::<dyn FnMut(MessageEvent)>::new({
        let (socket, inbox) = (socket.clone(), inbox.clone());
        move |event: MessageEvent| {
            let payload = event.data();
            let mut inbox = inbox.borrow_mut();
            if inbox.has_ended() {
                return;
            }
            let receiver = if inbox.is_full(Some(&payload), limit) {
                // A page may send this code, so this cannot fail.
                let _ = socket.close_with_code_and_reason(QUEUE_FULL, "receive queue full");
                inbox.end(End::Overflow { limit })
            } else {
                inbox.push(payload)
            };
            drop(inbox);
            wake(receiver);
        }
    });
    socket.set_onmessage(Some(handler.as_ref().unchecked_ref()));
    handler
}

fn on_close(socket: &WebSocket, inbox: &Rc<RefCell<Inbox>>) -> Closure<dyn FnMut(CloseEvent)> {
    let inbox = inbox.clone();
    let handler = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
        let end = End::new(event.was_clean(), event.code(), event.reason());
        let receiver = inbox.borrow_mut().end(end);
        wake(receiver);
    });
    socket.set_onclose(Some(handler.as_ref().unchecked_ref()));
    handler
}

/// Detaches all handlers, so that the browser cannot call into the program afterwards.
impl Drop for EventSocket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onerror(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        // No effect if the socket is closing or closed already.
        let _ = self.close(&abandoned());
    }
}

impl fmt::Debug for EventSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSocket")
            .field("ready_state", &self.socket.ready_state())
            .field("inbox", &self.inbox)
            .finish_non_exhaustive()
    }
}
