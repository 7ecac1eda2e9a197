//! The browser's WebSocket for Rust in WebAssembly.
#![cfg(any(target_family = "wasm", clippy, doc))]
