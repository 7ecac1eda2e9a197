//! gRPC over a WebSocket: all four kinds of calls, native and in the browser, for the clients and servers that tonic
//! generates.
//!
//! Inside the WebSocket is HTTP/2, as gRPC has it everywhere: many calls share one connection, flow control reaches from end
//! to end, and a peer of any make that tunnels HTTP/2 with prior knowledge through binary messages is understood.
//!
//! A client says the same in a native program and on `wasm32-unknown-unknown`:
//!
//! ```no_run
//! # use sockeye_grpc_testing::proto::{HelloRequest, greeter_client::GreeterClient};
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut greeter = GreeterClient::new(sockeye_grpc::connect("wss://example.com/grpc").await?);
//! let reply = greeter.say_hello(HelloRequest { name: "Ada".into() }).await?;
//! # let _ = reply;
//! # Ok(())
//! # }
//! ```
//!
//! A server's services are tonic's, and its connections come from WebSockets:
//!
//! ```no_run
//! # #[cfg(not(target_family = "wasm"))]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let (greeter, _) = sockeye_grpc_testing::service::services();
//! let (incoming, accept) = sockeye_grpc::incoming();
//! let websockets = sockeye::Server::bind("127.0.0.1:8080").await?;
//! tokio::spawn(websockets.serve(move |ws| accept.give(ws)));
//! sockeye_grpc::serve(incoming, greeter).await;
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | connect | [`connect`], or [`Endpoint`] for headers, subprotocols, TLS, timeouts, limits and windows |
//! | know what happens when a connection is lost, a deadline passes or a call is dropped | [`Channel`] |
//! | have TLS inside the WebSocket, from end to end | `Endpoint::tls`, with the feature `tls` |
//! | serve | `serve`, on the connections of `incoming`; or a server of tonic on the same: see `server` |
//! | know in a handler who was admitted by the opening handshake | `serve` |
//! | serve gRPC, grpc-web and WebSockets on one port | the example `one_port` |
//!
//! # Code for the browser
//! `tonic-prost-build` generates clients that need no transport of tonic's with `build_transport(false)`; with `protox` in
//! front of it no `protoc` is needed. tonic itself is taken with `default-features = false` and the feature `codegen`.
//!
//! # Messages
//! What a task of HTTP/2 writes goes out when the other tasks that were ready have had their turn, so that the headers,
//! message and trailers of a call share one WebSocket message and one system call. No timer is involved.
//!
//! # Keepalive
//! A native program pings its peer by WebSocket when it is silent, and gives up a peer that does not answer, as
//! [`Config::ping_after`](sockeye::Config::ping_after) and [`Config::pong_timeout`](sockeye::Config::pong_timeout) say: a server
//! that froze is given up after twice the first and once the second at the latest. A page cannot ping; there the channel
//! itself asks a server that is silent while calls are under way: see [`Endpoint::keepalive_after`]. A call with a deadline
//! ends at its deadline whatever happens to the network.
//!
//! # Backpressure
//! A call whose messages are not read makes its sender wait when its window is full, and no other call, whatever the length of
//! its messages: see [`Endpoint::stream_window`] and `serve`.
//!
//! # A page's content security policy
//! A page with a Content-Security-Policy needs `script-src 'wasm-unsafe-eval'` to compile WebAssembly at all, and `connect-src`
//! with the URL of the WebSocket.

mod backoff;
mod body;
mod channel;
mod clock;
mod connection;
mod deadline;
mod endpoint;
mod error;
mod gather;
mod http2;
#[cfg(not(target_family = "wasm"))]
mod incoming;
mod keepalive;
mod link;
#[cfg(not(target_family = "wasm"))]
mod serve;
#[cfg(not(target_family = "wasm"))]
mod server;
mod status;
#[cfg(feature = "tls")]
mod tls;

pub use backoff::Backoff;
pub use body::ResponseBody;
pub use channel::{Channel, ResponseFuture};
pub use endpoint::{Endpoint, connect};
use error::CallError;
pub use error::ConnectError;
#[cfg(not(target_family = "wasm"))]
pub use incoming::{Connection, Incoming, incoming};
#[cfg(not(target_family = "wasm"))]
pub use serve::{Serve, ServeConfig, serve, serve_connection};
#[cfg(not(target_family = "wasm"))]
pub use server::{MAX_PENDING_ACCEPT_RESETS, server};
