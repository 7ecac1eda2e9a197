//! Measures the time of an echo, by message length and by the browser's interface: a
//! `WebSocketStream`, a `WebSocket` that returns `ArrayBuffer`s, and one that returns `Blob`s.
//! Prints medians in µs to the browser's console, which the runner shows.
//!
//!     cargo run --release -p sockeye-web --example test_peer
//!     SOCKEYE_WEB_TEST_PEER=ws://127.0.0.1:PORT cargo test --release -p sockeye-web --bench echo \
//!         --target wasm32-unknown-unknown -- --nocapture
//!
//! Requires the runner of ci/web.sh; `cargo bench` would make the runner accept only benchmarks of
//! another form. The three take turns, so that noise of the machine affects each of them.
#![cfg(target_family = "wasm")]
#![allow(clippy::unwrap_used, reason = "this is a benchmark")]

use js_sys::{ArrayBuffer, Function, Promise, Reflect, Uint8Array};
use sockeye_web::{Client, WebSocket};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use wasm_bindgen_test::{console_log, wasm_bindgen_test};

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);

const ADDRESS: &str = match option_env!("SOCKEYE_WEB_TEST_PEER") {
    Some(address) => address,
    None => "ws://SOCKEYE_WEB_TEST_PEER.is.not.set",
};

/// Number of rounds, in each of which the three take a turn.
const ROUNDS: usize = 7;

/// Message lengths, in bytes, and the number of echoes of each in a turn.
const LENGTHS: [(usize, u32); 6] = [
    (100, 1000),
    (1 << 10, 1000),
    (16 << 10, 400),
    (64 << 10, 200),
    (256 << 10, 60),
    (1 << 20, 20),
];

fn now() -> f64 {
    let performance = Reflect::get(&js_sys::global(), &"performance".into()).unwrap();
    let now = Reflect::get(&performance, &"now".into()).unwrap().unchecked_into::<Function>();
    now.call0(&performance).unwrap().as_f64().unwrap()
}

/// Measures echoes through Sockeye.
async fn time_sockeye(ws: &mut WebSocket, length: usize, count: u32) -> f64 {
    let begin = now();
    for _ in 0..count {
        ws.send(vec![7; length]).await.unwrap();
        assert_eq!(ws.recv().await.unwrap().unwrap().len(), length);
    }
    (now() - begin) * 1000.0 / f64::from(count)
}

/// Measures echoes through the browser's `WebSocket` with `Blob`s, until the program has the same
/// bytes.
async fn time_blobs(socket: &web_sys::WebSocket, length: usize, count: u32) -> f64 {
    let begin = now();
    for _ in 0..count {
        let received = event(|handler| socket.set_onmessage(Some(handler)));
        socket.send_with_u8_array(&vec![7; length]).unwrap();
        let event = JsFuture::from(received).await.unwrap();
        let blob = event.unchecked_into::<web_sys::MessageEvent>().data();
        let buffer = blob.unchecked_into::<web_sys::Blob>().array_buffer();
        let buffer = JsFuture::from(buffer).await.unwrap().unchecked_into::<ArrayBuffer>();
        assert_eq!(Uint8Array::new(&buffer).to_vec().len(), length);
    }
    (now() - begin) * 1000.0 / f64::from(count)
}

fn event(set: impl Fn(&Function)) -> Promise {
    Promise::new(&mut |resolve, _| set(&resolve))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

#[wasm_bindgen_test]
async fn echoes_are_timed() {
    let url = format!("{ADDRESS}/echo");
    let mut streams = Client::new(&url).connect().await.unwrap();
    let mut events = Client::new(&url).websocket_stream(false).connect().await.unwrap();
    let socket = web_sys::WebSocket::new(&url).unwrap();
    socket.set_binary_type(web_sys::BinaryType::Blob);
    JsFuture::from(event(|handler| socket.set_onopen(Some(handler)))).await.unwrap();
    let has_streams =
        Reflect::has(&js_sys::global(), &JsValue::from_str("WebSocketStream")).unwrap();
    console_log!("median µs an echo; WebSocketStream: {has_streams}");
    for (length, count) in LENGTHS {
        let mut times = [const { Vec::new() }; 3];
        for _ in 0..ROUNDS {
            times[0].push(time_sockeye(&mut streams, length, count).await);
            times[1].push(time_sockeye(&mut events, length, count).await);
            times[2].push(time_blobs(&socket, length, count).await);
        }
        let [streams, events, blobs] = times.map(median);
        console_log!(
            "{length:>8} bytes: streams {streams:.0}, ArrayBuffer {events:.0}, Blob {blobs:.0}"
        );
    }
}
