//! The browser's WebSocket for Rust in WebAssembly: messages and byte streams, with backpressure.
//!
//! The names of types and methods are those of the crate `sockeye`, which on
//! `wasm32-unknown-unknown` re-exports this crate: a program that calls `sockeye::connect` runs
//! natively and in the browser. The crate works in a page and in a worker. It uses the browser's
//! own WebSocket, so the browser handles cookies, TLS, proxies and permessage-deflate.
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
//! *Sending* waits while the browser buffers more than [`Client::send_buffer`] bytes that it has
//! not written yet.
//!
//! *Receiving* depends on the browser. Messages that the program has not yet received wait in a
//! queue of [`Client::receive_queue`] bytes. When the queue is full, a browser with
//! `WebSocketStream`, such as Chromium, makes the server's sends wait. A browser with `WebSocket`
//! only, such as Firefox, accepts every message: if the server keeps sending, the connection is
//! closed with 4008 (queue full), and [`WebSocket::recv`] returns the queued messages and then
//! [`Error::QueueFull`].
//!
//! # What a page may not do
//! A page cannot send headers, pings or fragments, see the handshake response, or learn why a
//! connection attempt failed: browsers hide this from scripts so that scripts cannot probe a
//! network. Close frames may carry only 1000 and 3000 to 4999. Where `sockeye` sends 1003, 1006,
//! 1008 or 1009, this crate sends 4003, 4006, 4008 or 4009.
//!
//! # A page's content security policy
//! A page with a Content-Security-Policy needs `script-src 'wasm-unsafe-eval'` to compile
//! WebAssembly at all, and `connect-src` with the URL of the WebSocket.
//!
//! # Binary messages
//! Binary messages of every length are received as `ArrayBuffer`s: from 100 bytes to 1 MiB, an echo
//! with `Blob`s took 2 to 4 times as long in Chromium 156, and 1.2 to 1.6 times in Firefox 153
//! (`benches/echo.rs`, medians of interleaved rounds on a busy machine).
//!
//! # Reconnecting
//! [`reconnect::Reconnecting`] reestablishes a lost connection, as its native counterpart does.
//! Because a browser hides why a connection attempt failed, a server that refuses the connection
//! permanently is tried as often as one that is down.
//!
//! # Runtime
//! Any executor that polls futures on the browser's event loop, such as
//! `wasm_bindgen_futures::spawn_local`. No type is `Send`: a connection belongs to the page or
//! worker that opened it.
// On other targets the crate is empty: its types would compile, and panic when used.
#![cfg(any(target_family = "wasm", clippy, doc))]

pub mod byte_stream;
mod client;
mod error;
mod exception;
#[cfg(feature = "json")]
mod json;
pub mod resume;
mod socket;
// For sockeye-hub, whose client has timeouts.
#[doc(hidden)]
pub mod timer;
mod websocket;

pub use byte_stream::ByteStream;
pub use client::{Client, ConnectError, HookError, connect, reconnect};
pub use error::{Error, Result};
pub use exception::Exception;
#[cfg(feature = "json")]
pub use json::JsonError;
pub use websocket::{WebSocket, split};
