//! A WebSocket library for async Rust: clients and servers on tokio, with permessage-deflate, TLS,
//! HTTP/2, and the browser's WebSocket on WebAssembly (WASM).
//!
//! An echo server with one task per connection:
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
//! # I want to
//!
//! | to | use |
//! |---|---|
//! | connect to a URL | [`connect`], or [`Client`] for headers, subprotocols, TLS and timeouts |
//! | authenticate a client by a password, a token or a certificate | [`Client::basic_auth`], [`Client::bearer_auth`], `Client::client_certificate` |
//! | trust other root certificates | `Client::root_certificates`, or `Client::system_roots` with the feature `system-roots` |
//! | read the headers of the server's response | [`WebSocket::response`] |
//! | connect through a proxy (HTTP CONNECT, SOCKS5) | [`Client::proxy`], [`Client::proxy_from_environment`] |
//! | connect over a Unix socket, or follow redirects | `Client::connect_unix`, [`Client::follow_redirects`] |
//! | connect over a stream that is open already, such as a duplex pair in a test | [`Client::handshake`] |
//! | reconnect when the connection is lost, with backoff | [`reconnect::Reconnecting`] |
//! | connect over HTTP/2 where the server offers it | `Client::prefer_http2`, with the feature `http2` |
//! | open many WebSockets on one HTTP/2 connection | `Client::connect_http2`, with the feature `http2` |
//! | serve WebSockets, one task per connection | [`Server`] |
//! | serve WebSockets with callbacks, one worker thread per core, on epoll, kqueue or `io_uring` | [`push`] |
//! | serve over TLS | `Server::tls`, `push::Server::tls` |
//! | upgrade a request in an axum handler | `axum::WebSocketUpgrade`, with the feature `axum` |
//! | upgrade a hyper request | `upgrade::hyper`, with the feature `hyper` |
//! | upgrade a byte stream without an HTTP library | [`upgrade::Upgrader`] |
//! | run code before each upgrade, as middleware does: authentication, routing, extra headers | [`Server::admit`], [`upgrade`]; in axum, tower middleware around the route |
//! | attach data to a connection, such as the user | [`upgrade::Admission::data`], then [`WebSocket::data`] |
//! | check origins and hosts | [`upgrade::Options::origins`], [`upgrade::Options::allow_hosts`] |
//! | know the client's address behind a proxy (`X-Forwarded-For`, `Forwarded`, PROXY protocol) | [`upgrade::TrustedProxies`] |
//! | limit connections, in total and per address | [`Server::max_connections`], [`Server::max_connections_per_address`] |
//! | limit memory over all connections | [`MemoryBudget`] |
//! | set limits, timeouts and the heartbeat (keepalive pings) | [`Config`] |
//! | exchange messages | [`WebSocket`]: [`recv`](WebSocket::recv), [`send`](WebSocket::send), [`feed`](WebSocket::feed), or as `Stream` and `Sink` |
//! | read and write in different tasks, or send from many tasks | [`WebSocket::split`] |
//! | choose what happens when a peer reads too slowly | [`split::SendQueue`], [`split::WhenFull`] |
//! | broadcast one message to many connections | [`Prepared`]; [`push::Broadcaster`] for all connections of a handler server |
//! | send to connections of different servers | [`Outlet`] |
//! | publish to a topic or a chat room | [`Prepared`] in a `tokio::sync::broadcast` channel per topic: the example `prepared` |
//! | read or write a message that is too long for memory | [`WebSocket::recv_stream`], [`WebSocket::send_stream`] |
//! | exchange JSON values | [`WebSocket`]: `send_json` and `recv_json`, with the feature `json`; [`Message`]: `json` and `parse_json` |
//! | compress messages | `Deflate`, with the feature `deflate` (on by default) |
//! | tunnel any TCP protocol (duplex byte stream) | [`byte_stream`]: [`WebSocket::into_byte_stream`], and a listener for servers |
//! | open many streams with flow control of their own on one WebSocket (QMux) | [`mux`] |
//! | call gRPC services over a WebSocket | the crate `sockeye-grpc` |
//! | close a connection, and see why it was closed | [`WebSocket::close`], [`WebSocket::close_frame`], [`CloseCode`] |
//! | measure the round-trip time | [`WebSocket::rtt`], [`split::Sender::ping`] |
//! | shut a server down gracefully | [`Drain`], [`Shutdown`], [`Server::serve_with_shutdown`] |
//! | monitor connections in production | `metrics`, with the feature `metrics`; events and spans of the crate `tracing` |
//! | log text that a peer chose | [`escape`] |
//! | decide whether to retry after an error | [`ConnectError::is_transient`], [`ConnectError::retry_after`], [`reconnect::Backoff::delay`] |
//! | forward frames as they arrive, or implement an extension | [`WebSocket::into_frames`] |
//! | handle frames by hand | [`Upgrader::accept_raw`](upgrade::Upgrader::accept_raw), [`frame`], [`mask`], [`handshake`] |
//! | run in the browser | the same API: see [below](#in-the-browser) |
//!
//! # Recipes
//! The examples in `crates/sockeye/examples` are whole programs. Each begins with the command that
//! runs it.
//!
//! ## Connect a client and a server in memory
//! A test needs no port: the handshakes run over any duplex byte stream.
//!
//! ```
//! use sockeye::upgrade::Upgrader;
//! use sockeye::{Client, WebSocket};
//!
//! async fn pair() -> sockeye::Result<(WebSocket, WebSocket)> {
//!     let (near, far) = tokio::io::duplex(64 * 1024);
//!     let (client, server) = (Client::new("ws://localhost/"), Upgrader::new());
//!     let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
//!     Ok((client?, server?))
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> sockeye::Result<()> {
//! let (mut client, mut server) = pair().await?;
//! client.send("hello").await?;
//! assert_eq!(server.recv().await?, Some("hello".into()));
//! # Ok(())
//! # }
//! ```
//!
//! ## Serve over TLS
//! `Server::tls` and `push::Server::tls` take a configuration of rustls, which this crate
//! re-exports. For TLS with HTTP/2, see the example `http2_server`.
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # async fn echo(_: sockeye::WebSocket) {}
//! use std::sync::Arc;
//!
//! use sockeye::Server;
//! use sockeye::rustls::ServerConfig;
//! use sockeye::rustls::crypto::ring;
//! use sockeye::rustls::pki_types::pem::PemObject;
//! use sockeye::rustls::pki_types::{CertificateDer, PrivateKeyDer};
//!
//! let chain = std::fs::read("chain.pem")?;
//! let chain = CertificateDer::pem_slice_iter(&chain).collect::<Result<Vec<_>, _>>()?;
//! let key = PrivateKeyDer::from_pem_slice(&std::fs::read("key.pem")?)?;
//! let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
//!     .with_safe_default_protocol_versions()?
//!     .with_no_client_auth()
//!     .with_single_cert(chain, key)?;
//! Server::bind("0.0.0.0:443").await?.tls(Arc::new(config)).serve(echo).await?;
//! # Ok(())
//! # }
//! ```
//!
//! ## Trust your own roots, and present a client certificate
//! All files are PEM. `Client::tls` takes a whole `rustls::ClientConfig` instead. A server that
//! asks for client certificates sets a verifier in its `rustls::ServerConfig`.
//!
//! ```no_run
//! # #[cfg(feature = "tls")]
//! # async fn example() -> sockeye::Result<()> {
//! let ws = sockeye::Client::new("wss://feed.internal.example/")
//!     .root_certificates(std::fs::read("ca.pem")?)
//!     .client_certificate(std::fs::read("client.pem")?, std::fs::read("client-key.pem")?)
//!     .connect()
//!     .await?;
//! # drop(ws);
//! # Ok(())
//! # }
//! ```
//!
//! ## Run behind nginx
//! nginx must pass the upgrade and the `Host` header on, since the default origin check compares
//! the `Origin` header with `Host`:
//!
//! ```text
//! location / {
//!     proxy_pass http://127.0.0.1:8080;
//!     proxy_http_version 1.1;
//!     proxy_set_header Host $http_host;
//!     proxy_set_header Upgrade $http_upgrade;
//!     proxy_set_header Connection upgrade;
//!     proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
//! }
//! ```
//!
//! The server takes the client's address from `X-Forwarded-For` only if the connection comes from a
//! trusted proxy. The keepalive interval (20 s) is shorter than nginx's default timeout for silence
//! (60 s), so idle connections stay open.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! # async fn echo(_: sockeye::WebSocket) {}
//! use sockeye::Server;
//! use sockeye::upgrade::{ForwardedHeader, HostPolicy, TrustedProxies};
//!
//! let proxies = TrustedProxies::new(["127.0.0.1"])?.header(ForwardedHeader::XForwardedFor);
//! Server::bind("127.0.0.1:8080")
//!     .await?
//!     .trusted_proxies(proxies)
//!     .allow_hosts(HostPolicy::listed_only().allow("app.example.com")?)
//!     .max_connections_per_address(50)
//!     .serve(echo)
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! ## Admit clients by a bearer token
//! [`Server::admit`] runs before the upgrade and may wait for a database. Browsers cannot send
//! `Authorization` with a WebSocket: the example `auth_bearer` also takes the token from a
//! subprotocol or the query, and `auth_cookie` uses a session cookie. With the handler server,
//! [`push::Handler::upgrade`] decides; its example `push_auth` takes the user from the query.
//!
//! ```no_run
//! use sockeye::upgrade::{Admission, Refusal, UpgradeRequest};
//! use sockeye::{Server, WebSocket};
//!
//! #[derive(Clone)]
//! struct User(String);
//!
//! async fn admit(request: UpgradeRequest) -> Result<Admission, Refusal> {
//!     let token = request.bearer_token().ok_or_else(|| Refusal::unauthorized("no token"))?;
//!     let user = find_user(token).await.ok_or_else(|| Refusal::forbidden("unknown token"))?;
//!     Ok(Admission::new().data(user))
//! }
//!
//! async fn greet(mut ws: WebSocket) -> sockeye::Result<()> {
//!     let name = ws.data::<User>().map_or_else(String::new, |user| user.0.clone());
//!     ws.send(format!("hello {name}")).await
//! }
//! # async fn find_user(_: &str) -> Option<User> { None }
//!
//! # async fn example() -> sockeye::Result<()> {
//! Server::bind("127.0.0.1:8080").await?.admit(admit).serve(greet).await
//! # }
//! ```
//!
//! ## Write a proxy with admission
//! A proxy admits a client as any server does, then forwards frames without assembling messages.
//! The whole program is the example `forward`.
//!
//! ```no_run
//! # use sockeye::upgrade::{Admission, Refusal, UpgradeRequest};
//! # async fn admit(_: UpgradeRequest) -> Result<Admission, Refusal> { Ok(Admission::new()) }
//! use sockeye::{FrameReceiver, FrameSender, Server, WebSocket};
//!
//! /// The longest frame, in bytes.
//! const LIMIT: usize = 16 << 20;
//!
//! async fn forward(client: WebSocket) -> sockeye::Result<()> {
//!     let upstream = sockeye::connect("ws://127.0.0.1:9000/").await?;
//!     let (from_client, to_client) = client.into_frames(LIMIT)?;
//!     let (from_upstream, to_upstream) = upstream.into_frames(LIMIT)?;
//!     tokio::try_join!(copy(from_client, to_upstream), copy(from_upstream, to_client))?;
//!     Ok(())
//! }
//!
//! async fn copy(mut from: FrameReceiver, mut to: FrameSender) -> sockeye::Result<()> {
//!     while let Some(frame) = from.recv_frame().await? {
//!         to.send_frame(&frame).await?;
//!     }
//!     to.shutdown().await
//! }
//!
//! # async fn example() -> sockeye::Result<()> {
//! Server::bind("127.0.0.1:8080").await?.admit(admit).serve(forward).await
//! # }
//! ```
//!
//! ## Apply backpressure, and handle slow consumers
//! Every queue is bounded. What happens when a peer reads slowly depends on how the program sends:
//!
//! | sender | when the peer does not keep up |
//! |---|---|
//! | [`WebSocket::send`] | waits; fails after [`Config::write_timeout`](Config::write_timeout()) (30 s) without progress |
//! | [`split::Sender::send`] | waits, drops the newest or the oldest message, or disconnects with 1013: [`split::WhenFull`]; the queue holds 1 MiB by default |
//! | [`split::Sender::send_latest`] | replaces the queued message of the same key |
//! | [`split::Sender::try_send`] | returns the message at once, in [`split::TrySendError::Full`] |
//! | [`push::Connection::send`] | drops the message and returns [`push::SendOutcome::Full`] beyond [`push::Server::max_unwritten`] (16 MiB by default); [`push::Handler::drained`] follows when the output is written |
//! | [`push::Handle::send`], [`push::Broadcaster`] | the worker drops the message beyond the same limit and counts it; to drop the connection instead, [`post`](push::Handle::post) the message to [`push::Handler::event`], which sends it and calls [`push::Connection::abort`] on [`push::SendOutcome::Full`] |
//! | all connections of a server together | the connection that holds most is closed when the [`MemoryBudget`] (256 MiB by default) is used up |
//!
//! ```no_run
//! # async fn example(ws: sockeye::WebSocket) -> sockeye::Result<()> {
//! use sockeye::split::{SendQueue, WhenFull};
//!
//! let queue = SendQueue::new().capacity(64 * 1024).when_full(WhenFull::DropOldest);
//! let (sender, mut receiver) = ws.split_with(queue);
//! sender.send("tick").await?;
//! while let Some(message) = receiver.recv().await? {
//!     sender.send(message).await?;
//! }
//! println!("{} messages dropped", sender.dropped().total());
//! # Ok(())
//! # }
//! ```
//!
//! The receiving side applies backpressure by not calling [`recv`](WebSocket::recv): the
//! transport's flow control then makes the peer wait. The example `split` sends and receives in two
//! tasks.
//!
//! # Defaults
//! The defaults are the safe ones. Pages of other origins are refused, messages are limited to 16
//! MiB, and handshakes are limited in size and time. A silent peer is pinged after 20 s, and the
//! connection fails if no pong arrives within another 20 s. A connection fails when the peer takes
//! nothing of what is written for 30 s. A closing handshake and the shutdown of a server each have
//! 5 s. Each setter states its default.
//!
//! # Errors
//! [`Error`] assigns blame: [`ProtocolError`] to the peer, [`UsageError`] to the caller, `Io` to
//! the transport. A closing handshake is not an error.
//!
//! # In the browser
//! On `wasm32-unknown-unknown` this crate re-exports `sockeye_web`, which provides [`connect`],
//! [`Client`], [`WebSocket`], [`WebSocket::split`], [`byte_stream`], [`reconnect::Reconnecting`],
//! [`resume::ResumableStream`] and the errors under the same names, over the browser's own
//! WebSocket. Servers, headers, proxies and pings are missing, because browsers do not offer them to
//! pages.
//!
//! # Runtime
//! The crate needs a tokio runtime with I/O and time enabled, as `#[tokio::main]` makes it. Without
//! time, a connection with a timeout panics, as all tokio timers do.

#[cfg(feature = "deflate")]
pub use sockeye_proto::deflate::{self, Deflate};
pub use sockeye_proto::{
    Charge, CloseCode, CloseFrame, Config, ErrorChain, Escaped, Kind, MemoryBudget, Message,
    MessageRef, Prepared, ProtocolError, Rtt, TimedOut, UsageError, Utf8Bytes, close, escape,
    frame, handshake, mask, text,
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

        mod accept;
        mod answer;
        #[cfg(feature = "axum")]
        pub mod axum;
        pub mod byte_stream;
        mod client;
        mod close_payload;
        mod drain;
        mod driver;
        mod error;
        #[cfg(feature = "metrics")]
        pub mod metrics;
        #[cfg(not(feature = "metrics"))]
        mod metrics;
        #[cfg(any(feature = "http2", feature = "hyper"))]
        mod http2;
        #[cfg(feature = "json")]
        mod json;
        mod multicast;
        pub mod mux;
        mod opening;
        mod outcome;
        mod outlet;
        mod output;
        #[cfg(unix)]
        pub mod push;
        mod quota;
        mod random;
        mod repeated;
        pub mod resume;
        mod server;
        mod sync;
        #[cfg(target_os = "linux")]
        mod tcp_info;
        #[cfg(feature = "tls")]
        mod tls;
        mod traffic;
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
        pub use drain::{Drain, DrainGuard, Drained, Shutdown};
        pub use error::{Error, Result};
        #[cfg(feature = "json")]
        pub use json::JsonError;
        pub use multicast::Multicast;
        pub use outcome::Outcome;
        pub use outlet::{CapacityFuture, Outlet};
        pub use server::Server;
        pub use traffic::Traffic;
        pub use upgrade::UpgradeError;
        pub use websocket::{
            FrameReceiver, FrameSender, MessageReader, MessageWriter, WebSocket, split,
        };
    }
}
