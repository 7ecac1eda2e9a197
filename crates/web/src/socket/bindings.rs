//! Bindings for `WebSocketStream`, which web-sys lacks:
//! <https://websockets.spec.whatwg.org/#the-websocketstream-interface>.

use js_sys::{Array, Object, Promise};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;

#[wasm_bindgen]
extern "C" {
    #[derive(Debug)]
    pub(super) type WebSocketStream;
    #[wasm_bindgen(constructor, catch)]
    pub(super) fn new(url: &str, options: &StreamOptions) -> Result<WebSocketStream, JsValue>;
    #[wasm_bindgen(method, getter)]
    pub(super) fn opened(this: &WebSocketStream) -> Promise;
    #[wasm_bindgen(method, getter)]
    pub(super) fn closed(this: &WebSocketStream) -> Promise;
    #[wasm_bindgen(method, catch)]
    pub(super) fn close(this: &WebSocketStream, info: &CloseInfo) -> Result<(), JsValue>;

    #[wasm_bindgen(extends = Object)]
    pub(super) type StreamOptions;
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_protocols(this: &StreamOptions, protocols: &Array);

    /// The result of `opened`.
    #[wasm_bindgen(extends = Object)]
    pub(super) type OpenInfo;
    #[wasm_bindgen(method, getter)]
    pub(super) fn readable(this: &OpenInfo) -> Readable;
    #[wasm_bindgen(method, getter)]
    pub(super) fn writable(this: &OpenInfo) -> Writable;
    #[wasm_bindgen(method, getter)]
    pub(super) fn protocol(this: &OpenInfo) -> String;
    #[wasm_bindgen(method, getter)]
    pub(super) fn extensions(this: &OpenInfo) -> String;

    pub(super) type Readable;
    #[wasm_bindgen(method, js_name = getReader)]
    pub(super) fn reader(this: &Readable) -> Reader;

    pub(super) type Reader;
    #[wasm_bindgen(method)]
    pub(super) fn read(this: &Reader) -> Promise;

    /// The result of `read`.
    #[wasm_bindgen(extends = Object)]
    pub(super) type ReadResult;
    #[wasm_bindgen(method, getter)]
    pub(super) fn done(this: &ReadResult) -> bool;
    #[wasm_bindgen(method, getter)]
    pub(super) fn value(this: &ReadResult) -> JsValue;

    pub(super) type Writable;
    #[wasm_bindgen(method, js_name = getWriter)]
    pub(super) fn writer(this: &Writable) -> Writer;

    pub(super) type Writer;
    #[wasm_bindgen(method)]
    pub(super) fn write(this: &Writer, chunk: &JsValue) -> Promise;

    /// The result of `closed` and the argument of `close`; a `WebSocketError` has the same
    /// properties.
    #[wasm_bindgen(extends = Object)]
    pub(super) type CloseInfo;
    #[wasm_bindgen(method, getter, js_name = closeCode)]
    pub(super) fn close_code(this: &CloseInfo) -> Option<u16>;
    #[wasm_bindgen(method, setter, js_name = closeCode)]
    pub(super) fn set_close_code(this: &CloseInfo, code: u16);
    #[wasm_bindgen(method, getter)]
    pub(super) fn reason(this: &CloseInfo) -> Option<String>;
    #[wasm_bindgen(method, setter)]
    pub(super) fn set_reason(this: &CloseInfo, reason: &str);
}
