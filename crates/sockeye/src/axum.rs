//! The extractor for axum.
//!
//! Route requests to it with `any`, and make it an argument of a handler. The extractor accepts an
//! upgrade of HTTP/1.1 and an extended CONNECT of HTTP/2 (RFC 8441) alike:
//!
//! ```no_run
//! use axum::Router;
//! use axum::response::Response;
//! use axum::routing::any;
//! use sockeye::axum::WebSocketUpgrade;
//!
//! async fn echo(upgrade: WebSocketUpgrade) -> Response {
//!     upgrade.on_upgrade(async |mut ws| {
//!         while let Some(message) = ws.recv().await? {
//!             ws.send(message).await?;
//!         }
//!         Ok::<_, sockeye::Error>(())
//!     })
//! }
//!
//! # async fn run() -> std::io::Result<()> {
//! let app = Router::new().route("/echo", any(echo));
//! axum::serve(tokio::net::TcpListener::bind("127.0.0.1:8080").await?, app).await
//! # }
//! ```
//!
//! # HTTP/2
//! With axum's feature `http2`, `axum::serve` speaks HTTP/2 and allows WebSockets on it: over plain
//! TCP to clients with prior knowledge, and to browsers over TLS, from a listener
//! (`axum::serve::Listener`) whose streams are TLS streams with `h2` and `http/1.1` for ALPN. The
//! windows are hyper's default, whose limit [`upgrade::hyper`](crate::upgrade::hyper()) describes:
//! a server of many WebSockets per connection should serve the router in a custom accept loop, as
//! the example `http2_server` does.

use std::borrow::Cow;
use std::fmt;
use std::future::Future;
use std::net::SocketAddr;

pub use axum_core;
use axum_core::body::Body;
use axum_core::extract::FromRequestParts;
use axum_core::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Extensions, HeaderMap, Method, Uri, Version};
use hyper::upgrade::OnUpgrade;
use sockeye_proto::handshake::{HandshakeError, Refusal, Request};
use sockeye_proto::{Config, Role};
use tracing::Instrument as _;

use crate::WebSocket;
use crate::drain::Drain;
use crate::metrics::RoleMetrics;
use crate::outcome::Outcome;
use crate::upgrade::{self, HostPolicy, Options, PeerAddr, UpgradeError};

/// An extracted request for a WebSocket that obeys the rules of the handshake.
///
/// The methods set the terms of the handshake; [`on_upgrade`](Self::on_upgrade) returns the
/// response.
#[must_use = "the client gets no answer unless the response of `on_upgrade` is returned"]
pub struct WebSocketUpgrade {
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    on_upgrade: OnUpgrade,
    peer: Option<SocketAddr>,
    options: Options,
    overrides: Overrides,
    data: Extensions,
    drain: Option<Drain>,
    on_failed_upgrade: Option<Box<dyn FnOnce(UpgradeError) + Send>>,
}

/// The settings of the extractor itself, which override its options, in any order of calls.
#[derive(Default)]
struct Overrides {
    hosts: Option<HostPolicy>,
    subprotocols: Option<Vec<String>>,
    config: Option<Config>,
    #[cfg(feature = "deflate")]
    deflate: Option<crate::Deflate>,
}

impl Overrides {
    fn apply(self, mut options: Options) -> Options {
        if let Some(hosts) = self.hosts {
            options = options.allow_hosts(hosts);
        }
        if let Some(subprotocols) = self.subprotocols {
            options = options.subprotocols(subprotocols);
        }
        if let Some(config) = self.config {
            options = options.config(config);
        }
        #[cfg(feature = "deflate")]
        if let Some(deflate) = self.deflate {
            options = options.deflate(deflate);
        }
        options
    }
}

impl WebSocketUpgrade {
    /// Sets the options: the terms of the handshake, and the limits. Create them once, when the
    /// program starts, and clone them for each request. The settings of
    /// [`subprotocols`](Self::subprotocols), [`config`](Self::config) and `deflate` override them,
    /// whether called earlier or later. Default: [`Options::new`].
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Sets the subprotocols that the server speaks: see [`Options::subprotocols`].
    pub fn subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        self.overrides.subprotocols = Some(subprotocols.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the limits and deadlines of the connection: see [`Options::config`].
    pub fn config(mut self, config: Config) -> Self {
        self.overrides.config = Some(config);
        self
    }

    /// Accepts permessage-deflate: see [`Options::deflate`].
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: crate::Deflate) -> Self {
        self.overrides.deflate = Some(deflate);
        self
    }

    /// Sets the hosts that the server answers for: see [`Options::allow_hosts`].
    pub fn allow_hosts(mut self, hosts: HostPolicy) -> Self {
        self.overrides.hosts = Some(hosts);
        self
    }

    /// Attaches a value to the connection, one of each type, for [`WebSocket::data`]: for example,
    /// the authenticated user.
    pub fn data<T: Clone + Send + Sync + 'static>(mut self, data: T) -> Self {
        self.data.insert(data);
        self
    }

    /// Sets the client's address, for [`WebSocket::peer_addr`], where it is not known: over TLS and
    /// HTTP/2, unless the server inserts a [`PeerAddr`] into its requests. With `axum::serve`, the
    /// extractor `ConnectInfo` provides the address.
    ///
    /// ```
    /// use std::net::SocketAddr;
    ///
    /// use axum::extract::ConnectInfo;
    /// use axum::response::Response;
    /// use sockeye::axum::WebSocketUpgrade;
    ///
    /// async fn echo(ConnectInfo(peer): ConnectInfo<SocketAddr>, upgrade: WebSocketUpgrade) -> Response {
    ///     upgrade.peer_addr(peer).on_upgrade(async |mut ws| {
    ///         println!("{:?} is here", ws.peer_addr());
    ///         ws.recv().await.map(drop)
    ///     })
    /// }
    /// # let _ = axum::Router::<()>::new().route("/", axum::routing::any(echo));
    /// ```
    pub fn peer_addr(self, peer: SocketAddr) -> Self {
        Self { peer: Some(peer), ..self }
    }

    /// Closes the connection gracefully when the application stops: see [`Drain`]. Once the drain
    /// has begun, the response to a request is 503 with `Retry-After`.
    ///
    /// `axum::serve` does not wait for WebSockets over HTTP/1.1, but waits for those over HTTP/2:
    /// an application that serves both must shut down `axum::serve` and [finish](Drain::finish) the
    /// drain at the same time.
    pub fn drain(self, drain: &Drain) -> Self {
        Self { drain: Some(drain.clone()), ..self }
    }

    /// Sets a callback for connections that end between the response and the upgrade. Default: such
    /// an error is only logged.
    pub fn on_failed_upgrade(self, callback: impl FnOnce(UpgradeError) + Send + 'static) -> Self {
        Self { on_failed_upgrade: Some(Box::new(callback)), ..self }
    }

    /// Returns the headers of the request.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// Returns the path and query of the request.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the token of an `Authorization: Bearer` header: see
    /// [`UpgradeRequest::bearer_token`](upgrade::UpgradeRequest::bearer_token).
    pub fn bearer_token(&self) -> Option<&str> {
        upgrade::bearer_token(&self.headers)
    }

    /// Returns the value of a cookie: see
    /// [`UpgradeRequest::cookie`](upgrade::UpgradeRequest::cookie).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        upgrade::cookie(&self.headers, name)
    }

    /// Returns the value of a query parameter: see
    /// [`UpgradeRequest::query`](upgrade::UpgradeRequest::query).
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        upgrade::query(&self.uri, name)
    }

    /// Returns the subprotocols that the client requests, in its order of preference.
    pub fn requested_subprotocols(&self) -> Vec<&str> {
        self.request().map(|request| request.subprotocols().to_vec()).unwrap_or_default()
    }

    /// Returns the HTTP version of the request: 1.1 or 2.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// Returns the response that upgrades the connection, or refuses a page of an origin that is
    /// not allowed. The handler receives the connection in a separate task, once the response is
    /// sent.
    pub fn on_upgrade<F, Fut>(mut self, handler: F) -> Response
    where
        F: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        if let Some(refusal) = self.drain.as_ref().and_then(Drain::refusal) {
            RoleMetrics::of(Role::Server).count_refused_with(Some(refusal.status()));
            return refusal.into_response();
        }
        self.options = std::mem::take(&mut self.overrides).apply(self.options);
        let answer = self.request().and_then(|request| {
            let peer = self.options.client(self.peer, &request);
            let data = self.options.connection_data(self.data.clone(), &request, peer)?;
            Ok((self.options.answer(&request)?, peer, data))
        });
        let (response, peer, data) = match answer {
            Ok(answer) => answer,
            Err(error) => return WebSocketRejection(error).into_response(),
        };
        let span = tracing::debug_span!(
            "websocket",
            peer = peer.map(tracing::field::display),
            version = ?self.version,
            path = self.uri.path(),
            subprotocol = tracing::field::Empty,
        );
        let (response, mut upgrading) =
            upgrade::upgrade::<Body>(response, self.on_upgrade, self.options);
        upgrading.peer = peer;
        let on_failed_upgrade = self.on_failed_upgrade;
        let member = self.drain.map(|drain| drain.enter());
        let connection_member = member.clone();
        let task = async move {
            match upgrading.await {
                Ok(ws) => {
                    let mut ws = ws.with_data(data);
                    if let Some(member) = connection_member {
                        ws.join_drain(member);
                    }
                    crate::driver::handler::run(handler(ws)).await;
                }
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "upgrade failed");
                    if let Some(callback) = on_failed_upgrade {
                        callback(error);
                    }
                }
            }
        };
        let task = task.instrument(span);
        match member {
            Some(member) => {
                // The response announces a WebSocket: from now on, the connection must end with a
                // close frame.
                member.on_connected();
                tokio::spawn(member.run_until_dropped(task));
            }
            None => {
                tokio::spawn(task);
            }
        }
        response
    }

    fn request(&self) -> Result<Request<'_>, HandshakeError> {
        // The extractor has already refused other methods, protocols and versions.
        if self.version == Version::HTTP_2 {
            let protocol = Some(&b"websocket"[..]);
            return Request::from_http2(&Method::CONNECT, protocol, &self.uri, &self.headers);
        }
        Request::from_http(&Method::GET, self.version, &self.uri, &self.headers)
    }
}

impl<S: Send + Sync> FromRequestParts<S> for WebSocketUpgrade {
    type Rejection = WebSocketRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, WebSocketRejection> {
        let (method, version) = (&parts.method, parts.version);
        upgrade::parse_request(method, version, &parts.uri, &parts.headers, &parts.extensions)
            .map_err(WebSocketRejection)?;
        let on_upgrade = parts
            .extensions
            .remove::<OnUpgrade>()
            .ok_or_else(|| WebSocketRejection(upgrade::not_upgradable()))?;
        Ok(Self {
            version,
            uri: parts.uri.clone(),
            headers: parts.headers.clone(),
            on_upgrade,
            peer: parts.extensions.get().map(|PeerAddr(peer)| *peer),
            options: Options::new(),
            overrides: Overrides::default(),
            data: Extensions::new(),
            drain: None,
            on_failed_upgrade: None,
        })
    }
}

impl fmt::Debug for WebSocketUpgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebSocketUpgrade")
            .field("version", &self.version)
            .field("uri", &self.uri)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// The rejection of a request that is not for a WebSocket, with the rule that the request breaks.
/// The response is the corresponding [`Refusal`].
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocketRejection(HandshakeError);

impl WebSocketRejection {
    /// Returns the rule that the request breaks.
    pub const fn error(&self) -> &HandshakeError {
        &self.0
    }
}

impl IntoResponse for WebSocketRejection {
    fn into_response(self) -> Response {
        tracing::debug!(error = &self.0 as &dyn std::error::Error, "request not upgraded");
        RoleMetrics::of(Role::Server).count_refused(&self.0);
        Refusal::from(&self.0).into_response()
    }
}

impl fmt::Display for WebSocketRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for WebSocketRejection {}
