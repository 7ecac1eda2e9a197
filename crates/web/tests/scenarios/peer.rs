//! Access to the server of the tests, `examples/test_peer.rs`.

use std::cell::Cell;
use std::time::Duration;

use js_sys::{Function, Promise, Reflect};
use sockeye_proto::Message;
use sockeye_web::{Client, WebSocket};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// Address of the server: `ws://127.0.0.1:PORT`.
const ADDRESS: &str = match option_env!("SOCKEYE_WEB_TEST_PEER") {
    Some(address) => address,
    None => "ws://SOCKEYE_WEB_TEST_PEER.is.not.set",
};

/// Both kinds of socket; in a browser with only one kind, that kind twice.
pub(super) const KINDS: [Kind; 2] = [Kind::Streams, Kind::Events];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Streams,
    Events,
}

impl Kind {
    pub(super) fn client(self, path: &str) -> Client {
        Client::new(format!("{ADDRESS}{path}")).websocket_stream(self == Self::Streams)
    }

    pub(super) async fn connect(self, path: &str) -> WebSocket {
        self.client(path).connect().await.unwrap()
    }

    /// Returns whether the browser applies backpressure to the server when the page does not read.
    pub(super) fn has_backpressure(self) -> bool {
        let class = Reflect::get(&js_sys::global(), &JsValue::from_str("WebSocketStream"));
        self == Self::Streams && class.unwrap().is_function()
    }
}

/// Returns a unique connection id.
pub(super) fn id() -> String {
    thread_local!(static NEXT: Cell<u32> = const { Cell::new(0) });
    NEXT.set(NEXT.get() + 1);
    // The page and the worker have separate counters.
    format!("{}-{}", js_sys::Math::random(), NEXT.get())
}

/// Returns the first message of a connection.
pub(super) async fn answer(path: &str) -> String {
    let mut ws = Kind::Events.connect(path).await;
    let answer = ws.recv().await.unwrap().unwrap();
    assert!(matches!(answer, Message::Text(_)));
    answer.to_string()
}

/// Returns the outcome of the connection with this id, on the server: `CODE after N bytes`.
pub(super) async fn fate(id: &str) -> String {
    answer(&format!("/fate?id={id}")).await
}

/// Returns the number of messages that the server has sent, once the number no longer changes.
pub(super) async fn progress(id: &str) -> u64 {
    answer(&format!("/progress?id={id}")).await.parse().unwrap()
}

pub(super) async fn sleep(duration: Duration) {
    let millis = JsValue::from(u32::try_from(duration.as_millis()).unwrap());
    let promise = Promise::new(&mut |resolve, _| {
        let set_timeout = Reflect::get(&js_sys::global(), &JsValue::from_str("setTimeout"));
        let set_timeout = set_timeout.unwrap().unchecked_into::<Function>();
        set_timeout.call2(&JsValue::UNDEFINED, &resolve, &millis).unwrap();
    });
    JsFuture::from(promise).await.unwrap();
}
