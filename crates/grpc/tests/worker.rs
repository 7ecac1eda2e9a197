//! The scenarios of a channel, in a Web Worker.
#![cfg(target_family = "wasm")]

mod browser;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_dedicated_worker);
