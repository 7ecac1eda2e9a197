//! The browser's notice that the machine is connected to a network again.

use std::fmt;

use wasm_bindgen::closure::Closure;
use wasm_bindgen::prelude::wasm_bindgen;

/// The event, which a page's window and a worker's global scope fire.
const ONLINE: &str = "online";

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = addEventListener)]
    fn add_event_listener(kind: &str, listener: &Closure<dyn FnMut()>);
    #[wasm_bindgen(js_name = removeEventListener)]
    fn remove_event_listener(kind: &str, listener: &Closure<dyn FnMut()>);
}

/// Calls a function each time the browser is online again, until dropped.
pub(super) struct OnlineListener(Closure<dyn FnMut()>);

impl OnlineListener {
    pub(super) fn new(on_online: impl FnMut() + 'static) -> Self {
        let listener = Closure::<dyn FnMut()>::new(on_online);
        add_event_listener(ONLINE, &listener);
        Self(listener)
    }
}

impl Drop for OnlineListener {
    fn drop(&mut self) {
        remove_event_listener(ONLINE, &self.0);
    }
}

impl fmt::Debug for OnlineListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnlineListener").finish_non_exhaustive()
    }
}
