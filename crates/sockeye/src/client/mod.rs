//! Clients, which open a connection to a URL.

mod announcement;
mod body;
mod error;
mod eyeballs;
#[cfg(any(fuzzing, test))]
#[cfg_attr(not(fuzzing), allow(unreachable_pub, reason = "only the fuzz target takes it"))]
pub mod fuzzing;
mod handshake;
#[cfg(feature = "http2")]
mod http2;
mod http_date;
pub mod proxy;
pub mod reconnect;
mod redirect;
mod resolve;
mod retry;
mod stage_timer;
#[cfg(feature = "tls")]
mod trust;
#[cfg(unix)]
mod unix;

#[cfg(feature = "tls")]
use std::io;
#[cfg(feature = "tls")]
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
#[cfg(feature = "tls")]
use rustls::ClientConfig;
use sockeye_proto::Config;
use sockeye_proto::handshake::{BasicCredentials, ClientRequest, HeadLimits, RequestError, Url};
use tokio::io::{AsyncRead, AsyncWrite};
#[cfg(feature = "tls")]
use tokio_rustls::client::TlsStream;

#[cfg(feature = "tls")]
use crate::tls;
use crate::transport::Transport;
use crate::{WebSocket, opening};
use announcement::Announcement;
pub use error::ConnectError;
pub use eyeballs::FailedAttempt;
#[cfg(feature = "http2")]
pub use http2::Http2;
use proxy::Route;
pub use redirect::RedirectError;
use resolve::Resolved;
pub use stage_timer::Stage;
use stage_timer::{StageObserver, StageTimer};
#[cfg(feature = "tls")]
pub use trust::TlsConfigError;
#[cfg(feature = "tls")]
use trust::Trust;

/// Default timeout of opening a connection: longer than the retransmissions of a lost packet or
/// two, shorter than a user waits.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// Connects to a `ws` or `wss` URL with the defaults of [`Client`].
///
/// ```no_run
/// # async fn example() -> sockeye::Result<()> {
/// let mut ws = sockeye::connect("wss://example.com/chat").await?;
/// ws.send("hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// [`ConnectError`] names the stage that failed, and the reason.
///
/// # Cancel safety
/// Dropping the future closes the connection that was being opened.
pub async fn connect(url: impl AsRef<str>) -> Result<WebSocket, ConnectError> {
    Client::new(url).connect().await
}

/// The target and the settings of a connection. A client can open any number of connections.
///
/// ```no_run
/// # async fn example() -> sockeye::Result<()> {
/// use sockeye::Client;
///
/// let ws = Client::new("wss://example.com/chat")
///     .bearer_auth("abc")
///     .subprotocols(["chat.v2", "chat"])
///     .connect()
///     .await?;
/// assert_eq!(ws.subprotocol(), Some("chat.v2"));
/// # Ok(())
/// # }
/// ```
///
/// An error in the URL, a header or a subprotocol is returned when the connection is opened: the
/// builder methods keep the first error.
#[derive(Clone, Debug)]
pub struct Client {
    request: Result<ClientRequest, RequestError>,
    config: Config,
    head_limits: HeadLimits,
    timeout: Duration,
    observer: Option<StageObserver>,
    announcement: Option<Announcement>,
    route: Route,
    resolved: Resolved,
    max_redirects: usize,
    #[cfg(all(feature = "http2", feature = "tls"))]
    prefer_http2: bool,
    #[cfg(feature = "tls")]
    tls: Option<Arc<ClientConfig>>,
    /// The settings from which `tls` is built, unless the program set `tls` itself.
    #[cfg(feature = "tls")]
    trust: Trust,
}

impl Client {
    /// Creates a client for this `ws` or `wss` URL.
    ///
    /// A Unicode host is converted to ASCII, and characters not allowed in a path or a query are
    /// percent-encoded: see [`Url`]. A URL with a user name is an error, unless
    /// [`with_userinfo`](Self::with_userinfo) is used.
    pub fn new(url: impl AsRef<str>) -> Self {
        Self::of_request(url.as_ref().parse().map(ClientRequest::new))
    }

    /// Creates a client for this URL. A user name and password in the URL are sent as by
    /// [`basic_auth`](Self::basic_auth).
    ///
    /// ```
    /// let client = sockeye::Client::with_userinfo("wss://ada:s%3Acret@example.com/chat");
    /// assert_eq!(client.url().map(ToString::to_string).as_deref(), Some("wss://example.com/chat"));
    /// ```
    pub fn with_userinfo(url: impl AsRef<str>) -> Self {
        Self::of_request(Url::parse_with_credentials(url.as_ref()).map(|(url, credentials)| {
            let mut request = ClientRequest::new(url);
            if let Some(credentials) = credentials {
                request.set_basic_auth(&credentials);
            }
            request
        }))
    }

    fn of_request(request: Result<ClientRequest, RequestError>) -> Self {
        Self {
            request,
            config: Config::new(),
            head_limits: HeadLimits::default(),
            timeout: DEFAULT_TIMEOUT,
            observer: None,
            announcement: None,
            route: Route::default(),
            resolved: Resolved::default(),
            max_redirects: 0,
            #[cfg(all(feature = "http2", feature = "tls"))]
            prefer_http2: false,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            trust: Trust::default(),
        }
    }

    /// Returns the URL to connect to, or `None` if the URL or the request is invalid.
    pub fn url(&self) -> Option<&Url> {
        self.request.as_ref().ok().map(ClientRequest::url)
    }

    /// Adds a header to the request. A `Host` replaces the one derived from the URL; headers of the
    /// opening handshake itself cannot be added.
    pub fn header<V>(self, name: impl AsRef<str>, value: V) -> Self
    where
        V: TryInto<HeaderValue>,
    {
        let name = name.as_ref();
        self.change(|request| {
            let name: HeaderName = name
                .parse()
                .map_err(|_| RequestError::InvalidHeaderName { name: name.to_owned() })?;
            match value.try_into() {
                Ok(value) => request.add_header(name, value),
                Err(_) => Err(RequestError::InvalidHeaderValue { name }),
            }
        })
    }

    /// Sends a user name and a password (RFC 7617), replacing an `Authorization` header added
    /// before. Without TLS, anyone on the network path can read them.
    pub fn basic_auth(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.change(|request| {
            request.set_basic_auth(&BasicCredentials::new(user, password)?);
            Ok(())
        })
    }

    /// Sends a bearer token (RFC 6750), replacing an `Authorization` header added before. Without
    /// TLS, anyone on the network path can read the token.
    pub fn bearer_auth(self, token: impl AsRef<str>) -> Self {
        self.change(|request| request.set_bearer_auth(token.as_ref()))
    }

    /// Requests subprotocols, in order of preference. [`WebSocket::subprotocol`] returns the one
    /// that the server chose, if any.
    pub fn subprotocols<S: Into<String>>(self, subprotocols: impl IntoIterator<Item = S>) -> Self {
        self.change(|request| {
            subprotocols.into_iter().try_for_each(|name| request.add_subprotocol(name))
        })
    }

    /// Offers a custom extension with its parameters: `x-custom; level=9`. If the server accepts,
    /// [`WebSocket::extensions`] contains the extension, and the program handles the frames itself:
    /// see [`WebSocket::into_frames`].
    pub fn extension(self, offer: impl AsRef<str>) -> Self {
        self.change(|request| request.add_extension(offer.as_ref()))
    }

    /// Offers permessage-deflate. Default: off.
    #[cfg(feature = "deflate")]
    pub fn deflate(self, deflate: crate::Deflate) -> Self {
        self.change(|request| {
            request.set_deflate(Some(deflate));
            Ok(())
        })
    }

    /// Sets the limits and deadlines of the open connection.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// Sets the limits of the head of the server's response. Default: 16 KiB and 100 headers.
    pub fn head_limits(self, head_limits: HeadLimits) -> Self {
        Self { head_limits, ..self }
    }

    /// Sets the timeout of opening the connection, for all stages together. Default: 20 s.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Sets the TLS configuration for `wss` URLs. Default: ring, the roots of webpki-roots, no
    /// client certificate.
    ///
    /// If the configuration names protocols for ALPN, `http/1.1` must be the only one. It replaces
    /// the settings of [`root_certificates`](Self::root_certificates) and similar methods; calling
    /// one of those later replaces this configuration.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(config), trust: Trust::default(), ..self }
    }

    /// Opens a connection: resolves the host, tries its addresses, and does the handshakes.
    ///
    /// Addresses are tried with the families alternating, each 250 ms after the previous attempt
    /// began; the first to accept is used (RFC 8305).
    ///
    /// # Errors
    /// [`ConnectError`] names the stage that failed, and the reason.
    ///
    /// # Cancel safety
    /// Dropping the future closes the connection that was being opened.
    pub async fn connect(&self) -> Result<WebSocket, ConnectError> {
        let request = self.request()?;
        let stage_timer = self.stage_timer();
        // Boxed, so that the task of a connection does not keep the size of the opening future.
        match Box::pin(self.attempt(request, &stage_timer)).await {
            Err(ConnectError::Handshake(answer)) if self.follows(&answer) => {
                Box::pin(self.redirected(request, answer, &stage_timer)).await
            }
            result => result,
        }
    }

    /// Does the opening handshake over a stream that is already connected, by TLS or any other way;
    /// of the URL only the host, for the request, and the path are used.
    ///
    /// # Errors
    /// The [`ConnectError`]s of the last stage.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn handshake<S>(&self, stream: S) -> Result<WebSocket, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let request = self.request()?;
        let stage_timer = self.stage_timer();
        let transport = opening::transport(stream);
        stage_timer.watch(Stage::Handshake, self.open(request, transport)).await
    }

    /// Applies the change unless the request already has an error.
    fn change(
        mut self,
        change: impl FnOnce(&mut ClientRequest) -> Result<(), RequestError>,
    ) -> Self {
        if let Ok(request) = &mut self.request {
            if let Err(error) = change(request) {
                self.request = Err(error);
            }
        }
        self
    }

    fn request(&self) -> Result<&ClientRequest, ConnectError> {
        let request =
            self.request.as_ref().map_err(|error| ConnectError::Request(error.clone()))?;
        #[cfg(feature = "tls")]
        self.trust.check()?;
        Ok(request)
    }

    /// Opens one connection to the request's target, without following redirects.
    async fn attempt(
        &self,
        request: &ClientRequest,
        stage_timer: &StageTimer,
    ) -> Result<WebSocket, ConnectError> {
        #[cfg(all(feature = "http2", feature = "tls"))]
        if self.prefer_http2 && request.url().is_secure() {
            return self.attempt_either(request, stage_timer).await;
        }
        self.attempt_http1(request, stage_timer).await
    }

    async fn attempt_http1(
        &self,
        request: &ClientRequest,
        stage_timer: &StageTimer,
    ) -> Result<WebSocket, ConnectError> {
        let stream = self.dial(request.url(), stage_timer).await?;
        let transport = self.secure(request, stream.into(), stage_timer).await?;
        stage_timer.watch(Stage::Handshake, self.open(request, transport)).await
    }

    #[cfg(feature = "tls")]
    async fn secure(
        &self,
        request: &ClientRequest,
        stream: Transport,
        stage_timer: &StageTimer,
    ) -> Result<Transport, ConnectError> {
        if !request.url().is_secure() {
            return Ok(stream);
        }
        let peer = stream.peer_addr();
        let config = tls::config(self.tls.as_ref());
        let stream = begin_tls(stream, request.url().host(), config, stage_timer).await?;
        Ok(Transport::boxed(stream, peer))
    }

    #[cfg(not(feature = "tls"))]
    #[allow(
        clippy::unused_async,
        clippy::unused_self,
        reason = "the twin of the method with a configuration of TLS"
    )]
    async fn secure(
        &self,
        request: &ClientRequest,
        stream: Transport,
        _: &StageTimer,
    ) -> Result<Transport, ConnectError> {
        if request.url().is_secure() { Err(ConnectError::TlsDisabled) } else { Ok(stream) }
    }
}

/// Runs the TLS stage, with a configuration or the error of creating one.
#[cfg(feature = "tls")]
async fn begin_tls(
    stream: Transport,
    host: &str,
    config: io::Result<Arc<ClientConfig>>,
    stage_timer: &StageTimer,
) -> Result<TlsStream<Transport>, ConnectError> {
    let secured = async {
        let secured = async { tls::connect(stream, host, config?).await };
        secured.await.map_err(|source| ConnectError::Tls { host: host.to_owned(), source })
    };
    stage_timer.watch(Stage::Tls, secured).await
}
