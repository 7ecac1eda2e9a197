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
//! A server is tonic's, and its connections come from WebSockets:
//!
//! ```no_run
//! # #[cfg(not(target_family = "wasm"))]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # let (greeter, _) = sockeye_grpc_testing::service::services();
//! let (incoming, accept) = sockeye_grpc::incoming();
//! let websockets = sockeye::Server::bind("127.0.0.1:8080").await?;
//! tokio::spawn(websockets.serve(move |ws| accept.give(ws)));
//! sockeye_grpc::server().add_service(greeter).serve_with_incoming(incoming).await?;
//! # Ok(())
//! # }
//! ```
//!
//! | to | use |
//! |---|---|
//! | connect | [`connect`], or [`Endpoint`] for headers, subprotocols, TLS, timeouts and windows |
//! | know what happens when a connection is lost, a deadline passes or a call is dropped | [`Channel`] |
//! | have TLS inside the WebSocket, from end to end | `Endpoint::tls`, with the feature `tls` |
//! | serve | `incoming` with a server of tonic: that of `server`, or one with the same setting |
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
//! A native program pings its peer by WebSocket after 30 s of silence and gives it up 20 s later: see
//! [`Config`](sockeye::Config). A page cannot ping; the server's pings are answered by the browser, and a call with a deadline ends
//! at its deadline whatever happens to the network. HTTP/2's own pings are not used.

mod backoff;
mod body;
mod channel;
mod clock;
mod connection;
mod deadline;
mod endpoint;
mod error;
mod executor;
mod gather;
#[cfg(not(target_family = "wasm"))]
mod incoming;
mod link;
#[cfg(not(target_family = "wasm"))]
mod server;
mod status;
#[cfg(feature = "tls")]
mod tls;

pub use backoff::Backoff;
pub use body::ResponseBody;
pub use channel::{Channel, ResponseFuture};
pub use endpoint::{Endpoint, connect};
pub use error::ConnectError;
#[cfg(not(target_family = "wasm"))]
pub use incoming::{Connection, Incoming, incoming};
#[cfg(not(target_family = "wasm"))]
pub use server::{MAX_PENDING_ACCEPT_RESETS, server};
