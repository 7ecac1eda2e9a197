//! The scenarios of a channel, in a page.
#![cfg(target_family = "wasm")]

mod browser;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
