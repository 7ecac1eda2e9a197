use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use js_sys::{Array, Object, Promise, Reflect, Uint8Array};
use sockeye_proto::{CloseFrame, MessageRef};
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use super::bindings::{
    CloseInfo, OpenInfo, ReadResult, Reader, StreamOptions, WebSocketStream, Writer,
};
use super::receive_queue::{End, ReceiveQueue, Received, wake};
use super::{Negotiated, abandoned_frame, is_empty_close};
use crate::{ConnectError, Exception};

/// Size that an unsent message counts for in addition to its length, in bytes: about the browser's
/// overhead for each message.
const ENTRY_SIZE: usize = 64;

/// A socket on the browser's `WebSocketStream`, which delivers each message on request and reports
/// the completion of each write.
///
/// The socket requests messages ahead of the program, until the receive queue is full: when the
/// peer closes, Chromium 156 silently discards all but one of the messages that were not requested
/// by then. While a read is pending, no message is lost.
pub(crate) struct StreamSocket {
    core: Rc<Core>,
}

/// The state that the handlers of the browser's promises act on.
///
/// The handlers keep the core alive until the last promise is settled, even if the program has
/// dropped the socket: a handler cannot be detached from its promise.
struct Core {
    stream: WebSocketStream,
    state: RefCell<State>,
    /// The handlers of all promises. Handlers and core reference each other until
    /// [`Core::on_settled`] breaks the cycle.
    handlers: RefCell<Option<Handlers>>,
    /// Number of promises that will call a handler when settled.
    pending: Cell<usize>,
    /// Maximum size of the receive queue, in bytes.
    queue: usize,
    /// Set when the program has dropped the socket.
    is_abandoned: Cell<bool>,
}

#[derive(Default)]
struct State {
    phase: SocketState,
    receive_queue: ReceiveQueue,
    reading: Reading,
    /// The end of the socket, until it is passed to the receive queue after the last message.
    end: Option<End>,
    /// Sizes of the pending writes, in bytes, oldest first.
    writes: VecDeque<usize>,
    /// The sum of `writes`.
    unsent: usize,
    /// Wakers of the tasks that wait for `unsent` to decrease, one for each sending task.
    senders: Vec<Waker>,
    /// A close frame that waits until all messages are sent, since it would overtake unsent ones.
    close_frame: Option<CloseFrame>,
    /// Set when the browser was asked to close the socket.
    is_closed: bool,
    /// Set when arriving messages are discarded: they are read only so that the peer's close frame
    /// is reached.
    is_aborted: bool,
}

#[derive(Default)]
enum SocketState {
    #[default]
    Connecting,
    Open {
        reader: Reader,
        writer: Writer,
        negotiated: Negotiated,
        /// Set until either side begins to close the socket.
        is_writable: bool,
    },
    Failed(ConnectError),
}

#[derive(Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Idle,
    InProgress,
    /// No more messages will arrive.
    Ended,
}

type Handler = Closure<dyn FnMut(JsValue)>;

/// The handlers for fulfilled and rejected promises, shared by all promises of the same kind.
struct Handlers {
    opened: Handler,
    not_opened: Handler,
    read: Handler,
    not_read: Handler,
    written: Handler,
    not_written: Handler,
    closed: Handler,
    lost: Handler,
}

impl StreamSocket {
    /// Returns whether the browser supports `WebSocketStream`.
    pub(super) fn is_supported() -> bool {
        Reflect::get(&js_sys::global(), &JsValue::from_str("WebSocketStream"))
            .is_ok_and(|class| class.is_function())
    }

    pub(super) fn connect(
        url: &str,
        subprotocols: &[String],
        queue: usize,
    ) -> Result<Self, JsValue> {
        let options = Object::new().unchecked_into::<StreamOptions>();
        if !subprotocols.is_empty() {
            let names: Array = subprotocols.iter().map(|name| JsValue::from_str(name)).collect();
            options.set_protocols(&names);
        }
        let core = Rc::new(Core {
            stream: WebSocketStream::new(url, &options)?,
            state: RefCell::default(),
            handlers: RefCell::default(),
            pending: Cell::default(),
            queue,
            is_abandoned: Cell::default(),
        });
        core.handlers.replace(Some(Handlers {
            opened: Core::handler(&core, Core::on_opened),
            not_opened: Core::handler(&core, Core::on_open_failed),
            read: Core::handler(&core, Core::on_read),
            not_read: Core::handler(&core, |core, _| core.on_read_ended()),
            written: Core::handler(&core, |core, _| core.on_written(true)),
            not_written: Core::handler(&core, |core, _| core.on_written(false)),
            closed: Core::handler(&core, |core, info| core.on_closed(true, info)),
            lost: Core::handler(&core, |core, info| core.on_closed(false, info)),
        }));
        core.watch(&core.stream.opened(), |handlers| (&handlers.opened, &handlers.not_opened));
        core.watch(&core.stream.closed(), |handlers| (&handlers.closed, &handlers.lost));
        Ok(Self { core })
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<Negotiated, ConnectError>> {
        let mut state = self.core.state.borrow_mut();
        match &state.phase {
            SocketState::Open { negotiated, .. } => return Poll::Ready(Ok(negotiated.clone())),
            SocketState::Failed(error) => return Poll::Ready(Err(error.clone())),
            SocketState::Connecting => {}
        }
        state.receive_queue.wait(cx);
        Poll::Pending
    }

    /// Returns the next item, and requests the next message from the browser if the receive queue
    /// is not full. Without such a request, backpressure stops the peer.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Received> {
        let mut state = self.core.state.borrow_mut();
        let polled = state.receive_queue.poll(cx);
        self.core.request_message(&mut state);
        polled
    }

    pub(super) fn is_open(&self) -> bool {
        self.core.state.borrow().is_writable()
    }

    pub(super) fn send(&self, message: MessageRef<'_>) {
        let mut state = self.core.state.borrow_mut();
        let SocketState::Open { writer, .. } = &state.phase else { return };
        // Copied, because the browser writes later and must not access the program's memory then.
        let payload = match message {
            MessageRef::Text(text) => JsValue::from_str(text),
            MessageRef::Binary(bytes) => Uint8Array::from(bytes).into(),
        };
        let promise = writer.write(&payload);
        self.core.watch(&promise, |handlers| (&handlers.written, &handlers.not_written));
        let size = message.as_bytes().len() + ENTRY_SIZE;
        state.writes.push_back(size);
        state.unsent += size;
    }

    pub(super) fn unsent(&self) -> usize {
        self.core.state.borrow().unsent
    }

    pub(super) fn wake_when_sent(&self, cx: &mut Context<'_>) {
        let mut state = self.core.state.borrow_mut();
        if !state.senders.iter().any(|waker| waker.will_wake(cx.waker())) {
            state.senders.push(cx.waker().clone());
        }
    }

    pub(super) fn close(&self, frame: CloseFrame) -> Result<(), JsValue> {
        let mut state = self.core.state.borrow_mut();
        state.stop_writing();
        if state.unsent == 0 {
            return self.core.close(&mut state, &frame);
        }
        state.close_frame = Some(frame);
        Ok(())
    }

    pub(super) fn abort(&self, frame: &CloseFrame) {
        let mut state = self.core.state.borrow_mut();
        state.stop_writing();
        // An error means that the socket is closed already.
        let _ = self.core.close(&mut state, frame);
        state.is_aborted = true;
        state.receive_queue.discard();
        self.core.request_message(&mut state);
    }
}

impl Core {
    fn handler(core: &Rc<Self>, act: fn(&Self, JsValue)) -> Handler {
        let core = core.clone();
        Closure::new(move |value| {
            act(&core, value);
            core.on_settled();
        })
    }

    /// Registers the handlers that a promise calls when it is settled.
    fn watch(&self, promise: &Promise, choose: fn(&Handlers) -> (&Handler, &Handler)) {
        if let Some(handlers) = &*self.handlers.borrow() {
            let (fulfilled, rejected) = choose(handlers);
            let _ = promise.then2(fulfilled, rejected);
            self.pending.set(self.pending.get() + 1);
        }
    }

    /// Counts a settled promise, after its handler has run. After the last promise of a dropped
    /// socket, frees the handlers, and the core with them.
    fn on_settled(&self) {
        self.pending.set(self.pending.get() - 1);
        self.free_handlers();
    }

    fn free_handlers(&self) {
        if self.is_abandoned.get() && self.pending.get() == 0 {
            let handlers = self.handlers.take();
            drop(handlers);
        }
    }

    /// Closes the socket unless it is closed already.
    fn close(&self, state: &mut State, frame: &CloseFrame) -> Result<(), JsValue> {
        if state.is_closed {
            return Ok(());
        }
        state.is_closed = true;
        let info = Object::new().unchecked_into::<CloseInfo>();
        if !is_empty_close(frame) {
            info.set_close_code(frame.code.into());
            info.set_reason(&frame.reason);
        }
        self.stream.close(&info)
    }

    /// Requests a message from the browser, unless a request is pending or the receive queue is
    /// full.
    fn request_message(&self, state: &mut State) {
        if state.reading != Reading::Idle || state.receive_queue.is_full(None, self.queue) {
            return;
        }
        if let SocketState::Open { reader, .. } = &state.phase {
            let promise = reader.read();
            self.watch(&promise, |handlers| (&handlers.read, &handlers.not_read));
            state.reading = Reading::InProgress;
        }
    }

    fn on_opened(&self, opened: JsValue) {
        let opened = opened.unchecked_into::<OpenInfo>();
        let mut state = self.state.borrow_mut();
        state.phase = SocketState::Open {
            reader: opened.readable().reader(),
            writer: opened.writable().writer(),
            negotiated: Negotiated {
                subprotocol: opened.protocol(),
                extensions: opened.extensions(),
            },
            is_writable: true,
        };
        self.request_message(&mut state);
        let receiver = state.receive_queue.on_change();
        drop(state);
        wake(receiver);
    }

    fn on_open_failed(&self, reason: JsValue) {
        // The browser gives all failures the same uninformative name, except for violations of its
        // own rules.
        let error = match ConnectError::from(Exception::from(reason)) {
            forbidden @ ConnectError::Security(_) => forbidden,
            _ => ConnectError::Failed,
        };
        let mut state = self.state.borrow_mut();
        state.phase = SocketState::Failed(error);
        let receiver = state.receive_queue.on_change();
        drop(state);
        wake(receiver);
    }

    fn on_read(&self, result: JsValue) {
        let result = result.unchecked_into::<ReadResult>();
        if result.done() {
            return self.on_read_ended();
        }
        let mut state = self.state.borrow_mut();
        state.reading = Reading::Idle;
        if state.is_aborted {
            return self.request_message(&mut state);
        }
        let receiver = state.receive_queue.push(result.value());
        self.request_message(&mut state);
        drop(state);
        wake(receiver);
    }

    fn on_read_ended(&self) {
        let mut state = self.state.borrow_mut();
        state.reading = Reading::Ended;
        let receiver = state.deliver_end();
        drop(state);
        wake(receiver);
    }

    fn on_written(&self, successfully: bool) {
        let mut state = self.state.borrow_mut();
        let size = state.writes.pop_front().unwrap_or(0);
        state.unsent -= size;
        if !successfully {
            state.stop_writing();
        }
        if state.unsent == 0 {
            if let Some(frame) = state.close_frame.take() {
                // An error means that the socket is closed already, which the receiver reports.
                let _ = self.close(&mut state, &frame);
            }
        }
        let senders = std::mem::take(&mut state.senders);
        drop(state);
        senders.into_iter().for_each(Waker::wake);
    }

    fn on_closed(&self, clean: bool, info: JsValue) {
        let info = info.unchecked_into::<CloseInfo>();
        let code = info.close_code().unwrap_or(if clean { 1005 } else { 1006 });
        let mut state = self.state.borrow_mut();
        let end = match End::new(clean, code, info.reason().unwrap_or_default()) {
            // No read was pending: the browser may have discarded messages.
            End::Closed(_) if state.reading == Reading::Idle => End::Overflow { limit: self.queue },
            end => end,
        };
        state.end = Some(end);
        state.stop_writing();
        // If no read is pending, the next read reports the end. If the socket never opened, no read
        // is possible, so reading has ended.
        if !matches!(state.phase, SocketState::Open { .. }) {
            state.reading = Reading::Ended;
        }
        let receiver = state.deliver_end();
        let senders = std::mem::take(&mut state.senders);
        drop(state);
        wake(receiver);
        senders.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn is_writable(&self) -> bool {
        matches!(self.phase, SocketState::Open { is_writable: true, .. })
    }

    fn stop_writing(&mut self) {
        if let SocketState::Open { is_writable, .. } = &mut self.phase {
            *is_writable = false;
        }
    }

    /// Passes the end to the receive queue once the end is known and all messages were read.
    /// Returns the waker of the receiver, for the caller to wake.
    fn deliver_end(&mut self) -> Option<Waker> {
        if self.reading != Reading::Ended {
            return None;
        }
        let end = self.end.take()?;
        self.receive_queue.end(end)
    }
}

impl Drop for StreamSocket {
    fn drop(&mut self) {
        self.abort(&abandoned_frame());
        self.core.is_abandoned.set(true);
        self.core.free_handlers();
    }
}

impl fmt::Debug for StreamSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.core.state.borrow();
        f.debug_struct("StreamSocket")
            .field("is_open", &state.is_writable())
            .field("receive_queue", &state.receive_queue)
            .field("unsent", &state.unsent)
            .finish_non_exhaustive()
    }
}
