//! Upgrades from a request to a connection, on a server.
//!
//! | the request comes from | use |
//! |---|---|
//! | a byte stream, without an HTTP library | [`Upgrader`], or [`Server`](crate::Server) for a whole server |
//! | hyper, with the feature `hyper` | `upgrade::hyper` |
//! | axum, with the feature `axum` | the extractor `sockeye::axum::WebSocketUpgrade` |
//!
//! All three check requests by the same rules, accept the same [`Options`] and refuse with the same
//! [`Refusal`]s.
//!
//! A server with a custom accept loop, for HTTP libraries or protocols besides WebSockets, uses
//! [`TcpAcceptor`], which survives errors of accepting, and [`Drain::guard`](crate::Drain::guard)
//! for a graceful shutdown. With hyper, `WriteTimeout` and `Http2Guard` bound what a client costs:
//! see the example `http2_server`.
//!
//! # Who may connect
//! The program decides before the upgrade: it receives the head of the request and the peer's
//! address, and either refuses with any status, headers and body, or admits the client and attaches
//! data to its connection.
//!
//! | with | hook | the data of the connection |
//! |---|---|---|
//! | [`Upgrader`], [`Server`](crate::Server) | [`Upgrader::admit`], which may await other services | [`Admission::data`], then [`WebSocket::data`](crate::WebSocket::data) |
//! | the same, without a copy of the request | [`Upgrader::on_host`], [`on_header`](Upgrader::on_header), [`before_upgrade`](Upgrader::before_upgrade) | |
//! | `push::Server` | `push::Handler::upgrade`, which must not block | `push::Answer::set_data`, then `push::Connection::data` |
//! | axum and hyper | the application's handler, before it upgrades | `axum::WebSocketUpgrade::data`, or [`WebSocket::set_data`](crate::WebSocket::set_data) |
//!
//! Requests of a browser may come from pages of any origin. The Origin header serves to refuse
//! pages of other origins ([`Options::origins`]), and the Host header to refuse pages whose name
//! was made to resolve to this machine ([`Options::allow_hosts`]).
//!
//! Browsers send no `Authorization` header with a WebSocket. They send cookies, which the origin
//! check protects; and scripts can request a subprotocol that carries a token, beside a real one
//! that the server chooses.

mod admission;
mod error;
#[cfg(feature = "hyper")]
mod hyper;
mod options;
#[cfg(feature = "hyper")]
mod peer_addr;
mod proxies;
mod raw;
mod request;
#[cfg(feature = "hyper")]
mod stream;
mod upgraded;
#[cfg(feature = "hyper")]
mod write_timeout;

#[cfg(feature = "hyper")]
pub use self::hyper::{Upgrading, hyper};
#[cfg(feature = "axum")]
pub(crate) use self::hyper::{not_upgradable, parse_request, upgrade};
pub use crate::accept::TcpAcceptor;
#[cfg(feature = "hyper")]
pub use crate::http2::{Http2Guard, ResetLimit, TooManyResets};
pub use admission::Admission;
pub use error::UpgradeError;
pub use options::Options;
#[cfg(feature = "hyper")]
pub use peer_addr::PeerAddr;
pub(crate) use proxies::ProxyHeader;
pub use proxies::{ForwardedHeader, NetworkError, TrustedProxies};
pub use raw::Upgrader;
pub(crate) use raw::span;
pub use request::UpgradeRequest;
#[cfg(feature = "axum")]
pub(crate) use request::{bearer_token, cookie, query};
pub use sockeye_proto::handshake::{HostPolicy, OriginPolicy, Refusal, Request, Response};
pub use upgraded::Upgraded;
#[cfg(feature = "hyper")]
pub use write_timeout::WriteTimeout;
