use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use js_sys::{ArrayBuffer, JsString, Uint8Array};
use sockeye_proto::{CloseCode, CloseFrame};
use wasm_bindgen::{JsCast, JsValue};

/// Minimum size that a payload counts for, in bytes: about the memory of an empty payload.
const MIN_SIZE: usize = 64;

/// An item received from a socket.
#[derive(Debug)]
pub(crate) enum Received {
    /// The payload of a message: a string, an `ArrayBuffer` or a `Uint8Array`.
    Payload(JsValue),
    End(End),
}

/// The way in which a socket ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The closing handshake completed.
    Closed(Option<CloseFrame>),
    /// The transport ended without a closing handshake.
    Lost,
    /// The browser failed the connection, with this code and reason.
    Failed(CloseFrame),
    /// The receive queue was full, and a message that arrived then is lost.
    Overflow { limit: usize },
}

impl End {
    /// Creates an `End` from the values that a browser reports.
    pub(crate) fn new(clean: bool, code: u16, reason: String) -> Self {
        let frame = CloseFrame::from(CloseCode::from(code)).with_reason(reason);
        match (clean, code) {
            //= https://www.rfc-editor.org/rfc/rfc6455#section-7.1.5
            //# If this Close control frame contains no status code, _The WebSocket
            //# Connection Close Code_ is considered to be 1005.
            (true, 1005) => Self::Closed(None),
            (true, _) => Self::Closed(Some(frame)),
            (false, 1005 | 1006) => Self::Lost,
            (false, _) => Self::Failed(frame),
        }
    }
}

/// Payloads and the end of a socket that the program has not received yet.
///
/// Payloads stay in the browser's memory until they are received, since WebAssembly memory never
/// shrinks.
#[derive(Debug, Default)]
pub(super) struct ReceiveQueue {
    payloads: VecDeque<(JsValue, usize)>,
    /// Total size of the payloads in the browser's memory, in bytes.
    size: usize,
    end: Option<End>,
    receiver: Option<Waker>,
}

impl ReceiveQueue {
    /// Returns whether one more payload, of this size if known, would exceed the limit. An empty
    /// receive queue is never full.
    pub(super) fn is_full(&self, payload: Option<&JsValue>, limit: usize) -> bool {
        let size = payload.map_or(1, size);
        !self.payloads.is_empty() && self.size.saturating_add(size) > limit
    }

    /// Handles the opening of the socket, or its failure. Returns the waker that the caller must
    /// wake.
    pub(super) fn on_change(&mut self) -> Option<Waker> {
        self.receiver.take()
    }

    /// Adds a payload. Returns the waker that the caller must wake.
    pub(super) fn push(&mut self, payload: JsValue) -> Option<Waker> {
        let size = size(&payload);
        self.size += size;
        self.payloads.push_back((payload, size));
        self.receiver.take()
    }

    /// Discards payloads that will not be received.
    pub(super) fn discard(&mut self) {
        self.payloads.clear();
        self.size = 0;
    }

    /// Records the end; the first one recorded stays. Returns the waker that the caller must wake.
    pub(super) fn end(&mut self, end: End) -> Option<Waker> {
        self.end.get_or_insert(end);
        self.receiver.take()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.end.is_some()
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Received> {
        if let Some((payload, size)) = self.payloads.pop_front() {
            self.size -= size;
            return Poll::Ready(Received::Payload(payload));
        }
        if let Some(end) = &self.end {
            return Poll::Ready(Received::End(end.clone()));
        }
        self.receiver = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Registers the receiver, to be woken on the next change.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) {
        self.receiver = Some(cx.waker().clone());
    }
}

/// Wakes the waker, if any. Must not be called while anything is borrowed: the task may be polled
/// at once.
pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// Returns the maximum memory that the browser needs for a payload, in bytes.
fn size(payload: &JsValue) -> usize {
    let size = if let Some(text) = payload.dyn_ref::<JsString>() {
        text.length() as usize * 2
    } else if let Some(buffer) = payload.dyn_ref::<ArrayBuffer>() {
        buffer.byte_length() as usize
    } else {
        payload.unchecked_ref::<Uint8Array>().length() as usize
    };
    size.max(MIN_SIZE)
}
