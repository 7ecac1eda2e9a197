//! The extractor for axum.
//!
//! Route it with `any`, and give it as an argument of a handler. It takes an upgrade of HTTP/1.1 and an extended
//! CONNECT of HTTP/2 (RFC 8441) alike:
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
//! `axum::serve` speaks it, and allows WebSockets on it, with axum's feature `http2`: over plain TCP to clients that know
//! of it beforehand, and to browsers over TLS, from a listener (`axum::serve::Listener`) whose streams are of TLS with
//! `h2` and `http/1.1` for ALPN. Its windows are hyper's default, of which
//! [`upgrade::hyper`](crate::upgrade::hyper()) tells the limit: a server that is to hold many WebSockets on a connection
//! serves the router by a loop of its own, as the example `http2_server` does.

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
use crate::figures::Side;
use crate::outcome::Outcome;
use crate::upgrade::{self, HostPolicy, Options, PeerAddr, UpgradeError};

/// A request for a WebSocket, which obeys the rules of the handshake.
///
/// The methods set what to agree to; [`on_upgrade`](Self::on_upgrade) gives the response.
#[must_use = "the client gets no answer unless the response of `on_upgrade` is returned"]
pub struct WebSocketUpgrade {
    version: Version,
    uri: Uri,
    headers: HeaderMap,
    on_upgrade: OnUpgrade,
    peer: Option<SocketAddr>,
    options: Options,
    own: Own,
    data: Extensions,
    drain: Option<Drain>,
    on_failed_upgrade: Option<Box<dyn FnOnce(UpgradeError) + Send>>,
}

/// What was set on the extractor itself, which counts before its options, in whatever order they come.
#[derive(Default)]
struct Own {
    hosts: Option<HostPolicy>,
    subprotocols: Option<Vec<String>>,
    config: Option<Config>,
    #[cfg(feature = "deflate")]
    deflate: Option<crate::Deflate>,
}

impl Own {
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
    /// Sets what to agree to, and the limits: made once, when the program starts, and cloned for each request. What
    /// [`subprotocols`](Self::subprotocols), [`config`](Self::config) and `deflate` set counts before it, whether they are
    /// called earlier or later. Default: [`Options::new`].
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Sets the subprotocols that the server speaks: see [`Options::subprotocols`].
    pub fn subprotocols<S: Into<String>>(
        mut self,
        subprotocols: impl IntoIterator<Item = S>,
    ) -> Self {
        self.own.subprotocols = Some(subprotocols.into_iter().map(Into::into).collect());
        self
    }

    /// Sets the limits and deadlines of the connection: see [`Options::config`].
    pub fn config(mut self, config: Config) -> Self {
        self.own.config = Some(config);
        self
    }

    /// Accepts permessage-deflate: see [`Options::deflate`].
    #[cfg(feature = "deflate")]
    pub fn deflate(mut self, deflate: crate::Deflate) -> Self {
        self.own.deflate = Some(deflate);
        self
    }

    /// Sets the hosts that the server answers for: see [`Options::allow_hosts`].
    pub fn allow_hosts(mut self, hosts: HostPolicy) -> Self {
        self.own.hosts = Some(hosts);
        self
    }

    /// Keeps a value with the connection, where [`WebSocket::data`] finds it: one of each type. The place to say who the
    /// client is, once the application has found that out.
    pub fn data<T: Clone + Send + Sync + 'static>(mut self, data: T) -> Self {
        self.data.insert(data);
        self
    }

    /// Says where the connection comes from, for [`WebSocket::peer_addr`], where that is not known: over TLS and HTTP/2, unless
    /// the server inserts a [`PeerAddr`] into its requests. With `axum::serve` it is what the extractor `ConnectInfo` gives.
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

    /// Closes the connection in good order when the application stops: see [`Drain`]. Once that has begun, a request is
    /// answered 503 with `Retry-After`.
    ///
    /// `axum::serve` does not wait for WebSockets that came over HTTP/1.1, and waits for those of HTTP/2: an application
    /// that speaks both lets it stop and [finishes](Drain::finish) the drain at the same time.
    pub fn drain(self, drain: &Drain) -> Self {
        Self { drain: Some(drain.clone()), ..self }
    }

    /// What to do when the connection ends between the answer and the upgrade. Default: nothing but a line in the log.
    pub fn on_failed_upgrade(self, callback: impl FnOnce(UpgradeError) + Send + 'static) -> Self {
        Self { on_failed_upgrade: Some(Box::new(callback)), ..self }
    }

    /// The headers of the request.
    pub const fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The path and query of the request.
    pub const fn uri(&self) -> &Uri {
        &self.uri
    }

    /// The token of an `Authorization: Bearer` header: see [`UpgradeRequest::bearer_token`](upgrade::UpgradeRequest::bearer_token).
    pub fn bearer_token(&self) -> Option<&str> {
        upgrade::bearer_token(&self.headers)
    }

    /// The value of a cookie: see [`UpgradeRequest::cookie`](upgrade::UpgradeRequest::cookie).
    pub fn cookie(&self, name: &str) -> Option<&str> {
        upgrade::cookie(&self.headers, name)
    }

    /// The value of a parameter of the query: see [`UpgradeRequest::query`](upgrade::UpgradeRequest::query).
    pub fn query(&self, name: &str) -> Option<Cow<'_, str>> {
        upgrade::query(&self.uri, name)
    }

    /// The subprotocols that the client asks for, in its order of preference.
    pub fn asked_subprotocols(&self) -> Vec<&str> {
        self.request().map(|request| request.subprotocols().to_vec()).unwrap_or_default()
    }

    /// The version of HTTP that the request came over: 1.1 or 2.
    pub const fn version(&self) -> Version {
        self.version
    }

    /// The response that upgrades the connection, or refuses a page of an origin that is not allowed. The handler gets
    /// the connection in a task of its own, once the response was sent.
    pub fn on_upgrade<F, Fut>(mut self, handler: F) -> Response
    where
        F: FnOnce(WebSocket) -> Fut + Send + 'static,
        Fut: Future<Output: Outcome> + Send + 'static,
    {
        if let Some(refusal) = self.drain.as_ref().and_then(Drain::refusal) {
            Side::of(Role::Server).refused_with(Some(refusal.status()));
            return refusal.into_response();
        }
        self.options = std::mem::take(&mut self.own).apply(self.options);
        let answer = self.request().and_then(|request| {
            let peer = self.options.client(self.peer, &request);
            let data = self.options.keep(self.data.clone(), &request, peer)?;
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
        let joining = member.clone();
        let task = async move {
            match upgrading.await {
                Ok(ws) => {
                    let mut ws = ws.with_data(data);
                    if let Some(member) = joining {
                        ws.join(member);
                    }
                    crate::handler::run(handler(ws)).await;
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
                // The answer says so: whatever comes now, it ends with a close frame.
                member.connect();
                tokio::spawn(member.run(task));
            }
            None => {
                tokio::spawn(task);
            }
        }
        response
    }

    fn request(&self) -> Result<Request<'_>, HandshakeError> {
        // Other methods, protocols and versions did not get this far.
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
        upgrade::check(method, version, &parts.uri, &parts.headers, &parts.extensions)
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
            own: Own::default(),
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

/// A request that is no request for a WebSocket: the rule that it breaks. As a response it is the [`Refusal`] that
/// belongs to it.
#[derive(Clone, Debug, PartialEq)]
pub struct WebSocketRejection(HandshakeError);

impl WebSocketRejection {
    /// The rule that the request breaks.
    pub const fn error(&self) -> &HandshakeError {
        &self.0
    }
}

impl IntoResponse for WebSocketRejection {
    fn into_response(self) -> Response {
        tracing::debug!(error = &self.0 as &dyn std::error::Error, "request not upgraded");
        Side::of(Role::Server).refused(&self.0);
        Refusal::from(&self.0).into_response()
    }
}

impl fmt::Display for WebSocketRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for WebSocketRejection {}
