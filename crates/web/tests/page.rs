//! The scenarios in a page.
#![cfg(target_family = "wasm")]

mod scenarios;

wasm_bindgen_test::wasm_bindgen_test_configure!(run_in_browser);
