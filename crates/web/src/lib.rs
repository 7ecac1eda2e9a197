//! The browser's WebSocket for Rust in WebAssembly: messages and byte streams, with backpressure.
//!
//! The names and verbs are those of the crate `sockeye`, which on `wasm32-unknown-unknown` is this crate: a program that
//! says `sockeye::connect` runs native and in the browser. It works in a page and in a worker, over the browser's own
//! WebSocket, so that cookies, TLS, proxies and permessage-deflate are the browser's.
//!
//! ```no_run
//! # async fn example() -> sockeye_web::Result<()> {
//! let mut ws = sockeye_web::connect("wss://example.com/feed").await?;
//! ws.send("subscribe:prices").await?;
//! while let Some(message) = ws.recv().await? {
//!     println!("{message}");
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Backpressure
//! *Sending* waits while the browser holds more than [`Client::send_buffer`] bytes that are not written yet.
//!
//! *Receiving* depends on the browser. What the program has not asked for waits in a queue of [`Client::receive_queue`] bytes.
//! When it is full, a browser that has `WebSocketStream`, as Chromium has, makes the server's sends wait. Where there is only
//! `WebSocket`, as in Firefox, a browser takes whatever comes: a server that goes on is told by the close code 4008 that the
//! queue is full, whereupon [`WebSocket::recv`] gives what is in it and then [`Error::QueueFull`].
//!
//! # What a page may not do
//! Send headers, pings or fragments, see the handshake's answer, or learn why there was no connection: a browser hides this
//! from scripts, so that they cannot explore a network. Close frames may carry 1000 and 3000 to 4999 only. Where `sockeye`
//! says 1003, 1006, 1008 or 1009 to its peer, this crate says 4003, 4006, 4008 or 4009.
//!
//! # A page's content security policy
//! A page with a Content-Security-Policy needs `script-src 'wasm-unsafe-eval'` to compile WebAssembly at all, and `connect-src`
//! with the URL of the WebSocket.
//!
//! # Binary messages
//! They come as `ArrayBuffer`s of whatever length: from 100 bytes to 1 MiB, a `Blob` took 2 to 4 times as long to echo in
//! Chromium 156, and 1.2 to 1.6 times in Firefox 153 (`benches/echo.rs`, medians of turns on a busy machine).
//!
//! # Reconnecting
//! [`reconnect::Reconnecting`] makes a lost connection again, as its native twin does. As a browser hides why there was no
//! connection, a server that refuses it for good is tried as often as one that is down.
//!
//! # Runtime
//! Whatever polls futures on the browser's event loop, as `wasm_bindgen_futures::spawn_local` does. Nothing is `Send`: a
//! connection belongs to the page or worker that opened it.
// Elsewhere the crate is empty: its types would compile, and panic when they are used.
#![cfg(any(target_family = "wasm", clippy, doc))]

pub mod byte_stream;
mod client;
mod error;
mod exception;
#[cfg(feature = "json")]
mod json;
mod socket;
mod timer;
mod websocket;

pub use byte_stream::ByteStream;
pub use client::{Client, ConnectError, HookError, connect, reconnect};
pub use error::{Error, Result};
pub use exception::Exception;
#[cfg(feature = "json")]
pub use json::JsonError;
pub use websocket::{WebSocket, split};
