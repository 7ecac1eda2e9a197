//! WebSockets on tokio: clients, servers, and upgrades of whatever brings a request.
//!
//! A server that echoes, in a task for each connection:
//!
//! ```no_run
//! use sockeye::{Server, WebSocket};
//!
//! #[tokio::main]
//! async fn main() -> sockeye::Result<()> {
//!     Server::bind("127.0.0.1:8080").await?.serve(echo).await
//! }
//!
//! async fn echo(mut ws: WebSocket) -> sockeye::Result<()> {
//!     while let Some(message) = ws.recv().await? {
//!         ws.send(message).await?;
//!     }
//!     Ok(())
//! }
//! ```
//!
//! | to | use |
//! |---|---|
//! | connect | [`connect`], or [`Client`] for headers, subprotocols, TLS and deadlines |
//! | say who we are, by a password, a token or a certificate | [`Client::basic_auth`], [`Client::bearer_auth`], `Client::client_certificate` |
//! | read the headers of the server's answer | [`WebSocket::response`] |
//! | connect through a proxy, a Unix socket, or past redirects | [`Client::proxy`], `Client::connect_unix`, [`Client::follow_redirects`] |
//! | connect again when the connection is lost | [`reconnect::Reconnecting`] |
//! | connect over HTTP/2 where the server offers it | `Client::prefer_http2`, with the feature `http2` |
//! | open many WebSockets on one HTTP/2 connection | `Client::connect_http2`, with the feature `http2` |
//! | serve WebSockets only | [`Server`] |
//! | decide who may connect, and remember who it is | [`Server::admit`], [`upgrade`] |
//! | upgrade a bare byte stream, with a say in each request | [`upgrade::Upgrader`] |
//! | upgrade a hyper request | `upgrade::hyper`, with the feature `hyper` |
//! | upgrade in an axum handler | `axum::WebSocketUpgrade`, with the feature `axum` |
//! | exchange messages | [`WebSocket`]: [`recv`](WebSocket::recv), [`send`](WebSocket::send), or as `Stream` and `Sink` |
//! | read and write in different tasks | [`WebSocket::split`] |
//! | speak any protocol of TCP through it | [`byte_stream`]: [`WebSocket::into_byte_stream`], and a listener for servers |
//! | read or write a message that is too long for memory | [`WebSocket::recv_stream`], [`WebSocket::send_stream`] |
//! | exchange JSON values | [`WebSocket`]: `send_json` and `recv_json`, with the feature `json`; [`Message`]: `json` and `parse_json` |
//! | send one message to many | [`Prepared`] |
//! | stop without losing anybody | [`Drain`], [`Shutdown`] |
//! | watch connections in production | `figures`, with the feature `metrics`; [`WebSocket::rtt`]; events of the crate `tracing` |
//! | set limits and deadlines | [`Config`] |
//! | compress | `Deflate`, with the feature `deflate` (on by default) |
//! | forward frames as they come, or add an extension | [`WebSocket::into_frames`] |
//! | handle frames by hand | [`Upgrader::accept_raw`](upgrade::Upgrader::accept_raw), [`frame`], [`mask`], [`handshake`] |
//!
//! # Defaults
//! Safe ones: pages of other origins are refused, messages are limited to 16 MiB, handshakes in size and time, silence is
//! pinged after 30 s and ends the connection 20 s later, a peer that takes nothing of what is written is given up after
//! 30 s, a closing handshake has 5 s, a server that stops as much. Each setter states its default.
//!
//! # Errors
//! [`Error`] says who is to blame: [`ProtocolError`] the peer, [`UsageError`] the caller, `Io` the transport. A closing
//! handshake is no error.
//!
//! # In the browser
//! On `wasm32-unknown-unknown` this crate is `sockeye_web` under the same names, over the
//! browser's own WebSocket: [`connect`], [`Client`], [`WebSocket`], [`WebSocket::split`], [`byte_stream`],
//! [`reconnect::Reconnecting`], and the errors. There are no servers, headers, proxies or pings, which no page may have.
//!
//! # Runtime
//! A tokio runtime with I/O and time enabled, as `#[tokio::main]` makes it; without time, a connection with a deadline
//! panics as all tokio timers do.

#[cfg(feature = "deflate")]
pub use sockeye_proto::deflate::{self, Deflate};
pub use sockeye_proto::{
    CloseCode, CloseFrame, Config, ErrorChain, Escaped, Kind, MemoryBudget, Message, MessageRef,
    Prepared, ProtocolError, Rtt, TimedOut, UsageError, Utf8Bytes, backoff, close, escape, frame,
    handshake, mask, text,
};

// Types of these are in the public API, so that a program can name them in the version that fits.
pub use {bytes, http};

// The only place where the targets part. Whatever is in both branches has the same names in both.
cfg_if::cfg_if! {
    if #[cfg(target_family = "wasm")] {
        pub use sockeye_web::*;
    } else {
        #[cfg(feature = "hyper")]
        pub use hyper;
        #[cfg(feature = "tls")]
        pub use rustls;

        mod answer;
        #[cfg(feature = "axum")]
        pub mod axum;
        pub mod byte_stream;
        mod client;
        mod drain;
        mod error;
        #[cfg(feature = "metrics")]
        pub mod figures;
        #[cfg(not(feature = "metrics"))]
        mod figures;
        mod handler;
        #[cfg(any(feature = "http2", feature = "hyper"))]
        mod http2;
        #[cfg(feature = "json")]
        mod json;
        mod opening;
        mod outcome;
        mod output;
        #[cfg(unix)]
        pub mod push;
        mod quota;
        mod random;
        mod repeated;
        mod server;
        #[cfg(target_os = "linux")]
        mod tcp_info;
        #[cfg(feature = "tls")]
        mod tls;
        mod transport;
        pub mod upgrade;
        mod websocket;

        pub use byte_stream::ByteStream;
        #[cfg(feature = "http2")]
        pub use client::Http2;
        #[cfg(fuzzing)]
        pub use client::fuzzing;
        pub use client::{
            Client, ConnectError, FailedAttempt, RedirectError, Stage, connect, proxy, reconnect,
        };
        #[cfg(feature = "tls")]
        pub use client::TlsConfigError;
        pub use drain::{Drain, Drained, Shutdown};
        pub use error::{Error, Result};
        #[cfg(feature = "json")]
        pub use json::JsonError;
        pub use outcome::Outcome;
        pub use server::Server;
        pub use upgrade::UpgradeError;
        pub use websocket::{
            FrameReceiver, FrameSender, MessageReader, MessageWriter, WebSocket, split,
        };
    }
}
