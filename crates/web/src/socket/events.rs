use std::cell::RefCell;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll};

use js_sys::Array;
use sockeye_proto::{CloseFrame, MessageRef};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use super::receive_queue::{End, ReceiveQueue, Received, wake};
use super::{Negotiated, abandoned_frame, is_empty_close};
use crate::ConnectError;

/// Close code for a full receive queue. Replaces 1008, which a page cannot send.
const QUEUE_FULL: u16 = 4008;

/// A `WebSocket`, which delivers messages as events, without backpressure.
pub(crate) struct EventSocket {
    socket: WebSocket,
    receive_queue: Rc<RefCell<ReceiveQueue>>,
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
        let receive_queue = Rc::new(RefCell::new(ReceiveQueue::default()));
        let handlers = Handlers {
            _change: on_change(&socket, &receive_queue),
            _message: on_message(&socket, &receive_queue, queue),
            _close: on_close(&socket, &receive_queue),
        };
        Ok(Self { socket, receive_queue, _handlers: handlers })
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<Negotiated, ConnectError>> {
        if self.socket.ready_state() == WebSocket::OPEN {
            return Poll::Ready(Ok(Negotiated {
                subprotocol: self.socket.protocol(),
                extensions: self.socket.extensions(),
            }));
        }
        let mut receive_queue = self.receive_queue.borrow_mut();
        if receive_queue.has_ended() || self.socket.ready_state() == WebSocket::CLOSED {
            return Poll::Ready(Err(ConnectError::Failed));
        }
        receive_queue.wait(cx);
        Poll::Pending
    }

    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Received> {
        self.receive_queue.borrow_mut().poll(cx)
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
        if is_empty_close(frame) {
            return self.socket.close();
        }
        self.socket.close_with_code_and_reason(frame.code.into(), &frame.reason)
    }
}

/// Installs the handler of the `open` and `error` events. When a page's policy forbids the
/// connection, Chromium fires `error` only, without `close`.
fn on_change(
    socket: &WebSocket,
    receive_queue: &Rc<RefCell<ReceiveQueue>>,
) -> Closure<dyn FnMut()> {
    let receive_queue = receive_queue.clone();
    let handler = Closure::<dyn FnMut()>::new(move || {
        let receiver = receive_queue.borrow_mut().on_change();
        wake(receiver);
    });
    socket.set_onopen(Some(handler.as_ref().unchecked_ref()));
    socket.set_onerror(Some(handler.as_ref().unchecked_ref()));
    handler
}

fn on_message(
    socket: &WebSocket,
    receive_queue: &Rc<RefCell<ReceiveQueue>>,
    limit: usize,
) -> Closure<dyn FnMut(MessageEvent)> {
    let handler = Closure::<dyn FnMut(MessageEvent)>::new({
        let (socket, receive_queue) = (socket.clone(), receive_queue.clone());
        move |event: MessageEvent| {
            let payload = event.data();
            let mut receive_queue = receive_queue.borrow_mut();
            if receive_queue.has_ended() {
                return;
            }
            let receiver = if receive_queue.is_full(Some(&payload), limit) {
                // A page may send this code, so this cannot fail.
                let _ = socket.close_with_code_and_reason(QUEUE_FULL, "receive queue full");
                receive_queue.end(End::Overflow { limit })
            } else {
                receive_queue.push(payload)
            };
            drop(receive_queue);
            wake(receiver);
        }
    });
    socket.set_onmessage(Some(handler.as_ref().unchecked_ref()));
    handler
}

fn on_close(
    socket: &WebSocket,
    receive_queue: &Rc<RefCell<ReceiveQueue>>,
) -> Closure<dyn FnMut(CloseEvent)> {
    let receive_queue = receive_queue.clone();
    let handler = Closure::<dyn FnMut(CloseEvent)>::new(move |event: CloseEvent| {
        let end = End::new(event.was_clean(), event.code(), event.reason());
        let receiver = receive_queue.borrow_mut().end(end);
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
        let _ = self.close(&abandoned_frame());
    }
}

impl fmt::Debug for EventSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EventSocket")
            .field("ready_state", &self.socket.ready_state())
            .field("receive_queue", &self.receive_queue)
            .finish_non_exhaustive()
    }
}
