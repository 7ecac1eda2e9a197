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
    CloseInfo, Opened, ReadResult, Reader, StreamOptions, WebSocketStream, Writer,
};
use super::inbox::{End, Inbox, Received, wake};
use super::{Negotiated, abandoned};
use crate::{ConnectError, Exception};

/// What a message counts beside its length while it is unsent, in bytes: about what the browser keeps for it.
const ENTRY_SIZE: usize = 64;

/// A `WebSocketStream`: a message comes when it is asked for, and each that is written says when it was.
///
/// Messages are asked for ahead of the program, until the inbox is full: when the peer closes, Chromium 156 throws away
/// what it was not asked for by then, all but one message, and says nothing of it. While something is being asked for,
/// nothing is lost.
pub(crate) struct StreamSocket {
    core: Rc<Core>,
}

/// What the browser's promises act upon.
///
/// They hold it until the last of them is settled, even if the program has dropped the socket: a promise cannot be detached.
struct Core {
    stream: WebSocketStream,
    state: RefCell<State>,
    /// The handlers of all promises. They own this core, and it owns them, until [`Core::settled`] parts them.
    handlers: RefCell<Option<Handlers>>,
    /// Promises that call a handler when they are settled.
    pending: Cell<usize>,
    /// How much the inbox may hold, in bytes.
    queue: usize,
    /// The program has dropped the socket.
    is_abandoned: Cell<bool>,
}

#[derive(Default)]
struct State {
    phase: Phase,
    inbox: Inbox,
    reading: Reading,
    /// How it ended; the inbox is told when everything was read.
    end: Option<End>,
    /// What each write under way counts, in bytes, in order.
    writes: VecDeque<usize>,
    /// The sum of `writes`.
    unsent: usize,
    /// Those who wait for `unsent` to become less: one for each task that sends.
    senders: Vec<Waker>,
    /// Waits until nothing is unsent, as it would overtake that.
    close_frame: Option<CloseFrame>,
    /// The browser was told to close it.
    is_closed: bool,
    /// Nobody wants what arrives, and it is read only so that the peer's close frame comes through.
    is_left: bool,
}

#[derive(Default)]
enum Phase {
    #[default]
    Connecting,
    Open {
        reader: Reader,
        writer: Writer,
        negotiated: Negotiated,
        /// Nobody has begun to close it.
        is_writable: bool,
    },
    Failed(ConnectError),
}

#[derive(Default, PartialEq, Eq)]
enum Reading {
    #[default]
    Idle,
    UnderWay,
    /// There is nothing more to read.
    Over,
}

type Handler = Closure<dyn FnMut(JsValue)>;

/// One for each thing that a promise can say, for all promises that say it.
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
    /// Whether the browser has it.
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
            opened: Core::handler(&core, Core::opened),
            not_opened: Core::handler(&core, Core::not_opened),
            read: Core::handler(&core, Core::read),
            not_read: Core::handler(&core, |core, _| core.read_out()),
            written: Core::handler(&core, |core, _| core.written(true)),
            not_written: Core::handler(&core, |core, _| core.written(false)),
            closed: Core::handler(&core, |core, info| core.ended(true, info)),
            lost: Core::handler(&core, |core, info| core.ended(false, info)),
        }));
        core.watch(&core.stream.opened(), |handlers| (&handlers.opened, &handlers.not_opened));
        core.watch(&core.stream.closed(), |handlers| (&handlers.closed, &handlers.lost));
        Ok(Self { core })
    }

    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<Result<Negotiated, ConnectError>> {
        let mut state = self.core.state.borrow_mut();
        match &state.phase {
            Phase::Open { negotiated, .. } => return Poll::Ready(Ok(negotiated.clone())),
            Phase::Failed(error) => return Poll::Ready(Err(error.clone())),
            Phase::Connecting => {}
        }
        state.inbox.wait(cx);
        Poll::Pending
    }

    /// Asks the browser for more when there is room again: that is what lets the peer go on.
    pub(super) fn poll_next(&self, cx: &mut Context<'_>) -> Poll<Received> {
        let mut state = self.core.state.borrow_mut();
        let polled = state.inbox.poll(cx);
        self.core.ask(&mut state);
        polled
    }

    pub(super) fn is_open(&self) -> bool {
        self.core.state.borrow().is_writable()
    }

    pub(super) fn send(&self, message: MessageRef<'_>) {
        let mut state = self.core.state.borrow_mut();
        let Phase::Open { writer, .. } = &state.phase else { return };
        // The browser writes later, and must not look into the program's memory then.
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

    pub(super) fn leave(&self, frame: &CloseFrame) {
        let mut state = self.core.state.borrow_mut();
        state.stop_writing();
        // If that fails the socket is closed already.
        let _ = self.core.close(&mut state, frame);
        state.is_left = true;
        state.inbox.discard();
        self.core.ask(&mut state);
    }
}

impl Core {
    fn handler(core: &Rc<Self>, act: fn(&Self, JsValue)) -> Handler {
        let core = core.clone();
        Closure::new(move |value| {
            act(&core, value);
            core.settled();
        })
    }

    /// Has a promise call its handler when it is settled.
    fn watch(&self, promise: &Promise, choose: fn(&Handlers) -> (&Handler, &Handler)) {
        if let Some(handlers) = &*self.handlers.borrow() {
            let (fulfilled, rejected) = choose(handlers);
            let _ = promise.then2(fulfilled, rejected);
            self.pending.set(self.pending.get() + 1);
        }
    }

    /// After a handler was called. The last one of a socket that nobody has any more takes everything with it.
    fn settled(&self) {
        self.pending.set(self.pending.get() - 1);
        self.part();
    }

    fn part(&self) {
        if self.is_abandoned.get() && self.pending.get() == 0 {
            let handlers = self.handlers.take();
            drop(handlers);
        }
    }

    /// Closes it unless that was done.
    fn close(&self, state: &mut State, frame: &CloseFrame) -> Result<(), JsValue> {
        if state.is_closed {
            return Ok(());
        }
        state.is_closed = true;
        let info = Object::new().unchecked_into::<CloseInfo>();
        info.set_close_code(frame.code.into());
        info.set_reason(&frame.reason);
        self.stream.close(&info)
    }

    /// Asks the browser for a message, unless it was asked before or there is no room for one.
    fn ask(&self, state: &mut State) {
        if state.reading != Reading::Idle || state.inbox.is_full(None, self.queue) {
            return;
        }
        if let Phase::Open { reader, .. } = &state.phase {
            let promise = reader.read();
            self.watch(&promise, |handlers| (&handlers.read, &handlers.not_read));
            state.reading = Reading::UnderWay;
        }
    }

    fn opened(&self, opened: JsValue) {
        let opened = opened.unchecked_into::<Opened>();
        let mut state = self.state.borrow_mut();
        state.phase = Phase::Open {
            reader: opened.readable().reader(),
            writer: opened.writable().writer(),
            negotiated: Negotiated {
                subprotocol: opened.protocol(),
                extensions: opened.extensions(),
            },
            is_writable: true,
        };
        self.ask(&mut state);
        let receiver = state.inbox.changed();
        drop(state);
        wake(receiver);
    }

    fn not_opened(&self, reason: JsValue) {
        // All that is not the browser's own rules has one name, which tells nothing.
        let error = match ConnectError::from(Exception::from(reason)) {
            forbidden @ ConnectError::Security(_) => forbidden,
            _ => ConnectError::Failed,
        };
        let mut state = self.state.borrow_mut();
        state.phase = Phase::Failed(error);
        let receiver = state.inbox.changed();
        drop(state);
        wake(receiver);
    }

    fn read(&self, result: JsValue) {
        let result = result.unchecked_into::<ReadResult>();
        if result.done() {
            return self.read_out();
        }
        let mut state = self.state.borrow_mut();
        state.reading = Reading::Idle;
        if state.is_left {
            return self.ask(&mut state);
        }
        let receiver = state.inbox.push(result.value());
        self.ask(&mut state);
        drop(state);
        wake(receiver);
    }

    fn read_out(&self) {
        let mut state = self.state.borrow_mut();
        state.reading = Reading::Over;
        let receiver = state.conclude();
        drop(state);
        wake(receiver);
    }

    fn written(&self, successfully: bool) {
        let mut state = self.state.borrow_mut();
        let size = state.writes.pop_front().unwrap_or(0);
        state.unsent -= size;
        if !successfully {
            state.stop_writing();
        }
        if state.unsent == 0 {
            if let Some(frame) = state.close_frame.take() {
                // If that fails the socket is closed already, which the receiver is told.
                let _ = self.close(&mut state, &frame);
            }
        }
        let senders = std::mem::take(&mut state.senders);
        drop(state);
        senders.into_iter().for_each(Waker::wake);
    }

    fn ended(&self, clean: bool, info: JsValue) {
        let info = info.unchecked_into::<CloseInfo>();
        let code = info.close_code().unwrap_or(if clean { 1005 } else { 1006 });
        let mut state = self.state.borrow_mut();
        let end = match End::new(clean, code, info.reason().unwrap_or_default()) {
            // The browser was not asked for more, and may have thrown away what there was.
            End::Closed(_) if state.reading == Reading::Idle => End::Overflow { limit: self.queue },
            end => end,
        };
        state.end = Some(end);
        state.stop_writing();
        // If nobody reads now, the next read finds it. If nothing can be read, this is the end.
        if !matches!(state.phase, Phase::Open { .. }) {
            state.reading = Reading::Over;
        }
        let receiver = state.conclude();
        let senders = std::mem::take(&mut state.senders);
        drop(state);
        wake(receiver);
        senders.into_iter().for_each(Waker::wake);
    }
}

impl State {
    fn is_writable(&self) -> bool {
        matches!(self.phase, Phase::Open { is_writable: true, .. })
    }

    fn stop_writing(&mut self) {
        if let Phase::Open { is_writable, .. } = &mut self.phase {
            *is_writable = false;
        }
    }

    /// Tells the end when it is known and everything before it was read.
    fn conclude(&mut self) -> Option<Waker> {
        if self.reading != Reading::Over {
            return None;
        }
        let end = self.end.take()?;
        self.inbox.end(end)
    }
}

impl Drop for StreamSocket {
    fn drop(&mut self) {
        self.leave(&abandoned());
        self.core.is_abandoned.set(true);
        self.core.part();
    }
}

impl fmt::Debug for StreamSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.core.state.borrow();
        f.debug_struct("StreamSocket")
            .field("is_open", &state.is_writable())
            .field("inbox", &state.inbox)
            .field("unsent", &state.unsent)
            .finish_non_exhaustive()
    }
}
