//! Everything that a page does.
#![cfg(target_family = "wasm")]

mod scenarios;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
