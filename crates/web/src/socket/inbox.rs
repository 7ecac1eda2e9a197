use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use js_sys::{ArrayBuffer, JsString, Uint8Array};
use sockeye_proto::{CloseCode, CloseFrame};
use wasm_bindgen::{JsCast, JsValue};

/// What a payload counts at least, in bytes: about what it takes to keep an empty one.
const LEAST_SIZE: usize = 64;

/// What a socket has to tell.
#[derive(Debug)]
pub(crate) enum Received {
    /// The payload of a message: a string, an `ArrayBuffer` or a `Uint8Array`.
    Payload(JsValue),
    End(End),
}

/// How a socket ended.
#[derive(Clone, Debug)]
pub(crate) enum End {
    /// The closing handshake was done.
    Closed(Option<CloseFrame>),
    /// The transport ended without it.
    Lost,
    /// The browser ended it, and said why.
    Failed(CloseFrame),
    /// The inbox was full, and something that came then is lost.
    Overflow { limit: usize },
}

impl End {
    /// From what a browser says about the end.
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

/// What the browser has said and the program has not heard yet.
///
/// Payloads stay in the browser's memory until then, since that of WebAssembly never shrinks.
#[derive(Debug, Default)]
pub(super) struct Inbox {
    payloads: VecDeque<(JsValue, usize)>,
    /// Of the payloads, as the browser keeps them, in bytes.
    size: usize,
    end: Option<End>,
    receiver: Option<Waker>,
}

impl Inbox {
    /// Whether one more payload would go over the limit, if it is known. One payload always has its place.
    pub(super) fn is_full(&self, payload: Option<&JsValue>, limit: usize) -> bool {
        let size = payload.map_or(1, size);
        !self.payloads.is_empty() && self.size.saturating_add(size) > limit
    }

    /// Takes note that the socket is open, or failed to; whoever is given back is to be woken.
    pub(super) fn changed(&mut self) -> Option<Waker> {
        self.receiver.take()
    }

    /// Takes a payload in; whoever is given back is to be woken.
    pub(super) fn push(&mut self, payload: JsValue) -> Option<Waker> {
        let size = size(&payload);
        self.size += size;
        self.payloads.push_back((payload, size));
        self.receiver.take()
    }

    /// Throws away what nobody will ask for.
    pub(super) fn discard(&mut self) {
        self.payloads.clear();
        self.size = 0;
    }

    /// Takes note of the end. The first that is told stays.
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

    /// Wakes the receiver when something changes.
    pub(super) fn wait(&mut self, cx: &mut Context<'_>) {
        self.receiver = Some(cx.waker().clone());
    }
}

/// Wakes whoever waited, if anybody did. Not while anything is borrowed: it may be polled at once.
pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

/// How much memory the browser needs for a payload at most, in bytes.
fn size(payload: &JsValue) -> usize {
    let size = if let Some(text) = payload.dyn_ref::<JsString>() {
        text.length() as usize * 2
    } else if let Some(buffer) = payload.dyn_ref::<ArrayBuffer>() {
        buffer.byte_length() as usize
    } else {
        payload.unchecked_ref::<Uint8Array>().length() as usize
    };
    size.max(LEAST_SIZE)
}
