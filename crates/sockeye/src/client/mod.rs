//! Clients: from a URL to a connection.

mod body;
mod error;
mod eyeballs;
#[cfg(fuzzing)]
pub mod fuzzing;
mod handshake;
#[cfg(feature = "http2")]
mod http2;
mod http_date;
pub mod proxy;
pub mod reconnect;
mod redirect;
mod retry;
mod stages;
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
pub use error::ConnectError;
pub use eyeballs::FailedAttempt;
#[cfg(feature = "http2")]
pub use http2::Http2;
use proxy::Route;
pub use redirect::RedirectError;
pub use stages::Stage;
use stages::Stages;
#[cfg(feature = "tls")]
pub use trust::TlsConfigError;
#[cfg(feature = "tls")]
use trust::Trust;

/// How long opening a connection may take: longer than the retries of a lost packet or two, shorter than the patience
/// of a person.
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
/// [`ConnectError`] says at which stage it failed, and why.
///
/// # Cancel safety
/// If it is dropped, the connection that was being opened is closed.
pub async fn connect(url: impl AsRef<str>) -> Result<WebSocket, ConnectError> {
    Client::new(url).connect().await
}

/// A connection to be made: where to, and how. It can be used for any number of connections.
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
/// What is wrong with the URL, a header or a subprotocol is told when the connection is made: the methods before that
/// keep the first mistake.
#[derive(Clone, Debug)]
pub struct Client {
    request: Result<ClientRequest, RequestError>,
    config: Config,
    head_limits: HeadLimits,
    timeout: Duration,
    route: Route,
    max_redirects: usize,
    #[cfg(all(feature = "http2", feature = "tls"))]
    prefer_http2: bool,
    #[cfg(feature = "tls")]
    tls: Option<Arc<ClientConfig>>,
    /// What `tls` is made of, where that is for us to make.
    #[cfg(feature = "tls")]
    trust: Trust,
}

impl Client {
    /// A client of this `ws` or `wss` URL.
    ///
    /// A Unicode host is converted to ASCII, and what a path or a query cannot have is percent-encoded: see [`Url`]. A URL
    /// with a user name is refused, unless it is given to [`with_userinfo`](Self::with_userinfo).
    pub fn new(url: impl AsRef<str>) -> Self {
        Self::of_request(url.as_ref().parse().map(ClientRequest::new))
    }

    /// A client of this URL, whose user name and password, if it has them, are sent as [`basic_auth`](Self::basic_auth) does.
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
            route: Route::default(),
            max_redirects: 0,
            #[cfg(all(feature = "http2", feature = "tls"))]
            prefer_http2: false,
            #[cfg(feature = "tls")]
            tls: None,
            #[cfg(feature = "tls")]
            trust: Trust::default(),
        }
    }

    /// Where it connects to, unless there is something wrong with the URL or the request.
    pub fn url(&self) -> Option<&Url> {
        self.request.as_ref().ok().map(ClientRequest::url)
    }

    /// Adds a header to the request. A `Host` takes the place of the URL's; the headers of the handshake itself cannot
    /// be added.
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

    /// Sends a user name and a password (RFC 7617), in the place of an `Authorization` header that was added before.
    /// Without TLS, whoever is between can read them.
    pub fn basic_auth(self, user: impl Into<String>, password: impl Into<String>) -> Self {
        self.change(|request| {
            request.set_basic_auth(&BasicCredentials::new(user, password)?);
            Ok(())
        })
    }

    /// Sends a bearer token (RFC 6750), in the place of an `Authorization` header that was added before. Without TLS, whoever
    /// is between can read it.
    pub fn bearer_auth(self, token: impl AsRef<str>) -> Self {
        self.change(|request| request.set_bearer_auth(token.as_ref()))
    }

    /// Asks for subprotocols, the one preferred first. [`WebSocket::subprotocol`] tells which one the server chose, if
    /// any.
    pub fn subprotocols<S: Into<String>>(self, subprotocols: impl IntoIterator<Item = S>) -> Self {
        self.change(|request| {
            subprotocols.into_iter().try_for_each(|asked| request.add_subprotocol(asked))
        })
    }

    /// Offers an extension of the program's own, with its parameters: `x-custom; level=9`. If the server agrees,
    /// [`WebSocket::extensions`] says so, and the program handles the frames itself: see
    /// [`WebSocket::into_frames`].
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

    /// The limits and deadlines of the connection once it is open.
    pub fn config(self, config: Config) -> Self {
        Self { config, ..self }
    }

    /// How large the head of the server's answer may be. Default: 16 KiB and 100 headers.
    pub fn head_limits(self, head_limits: HeadLimits) -> Self {
        Self { head_limits, ..self }
    }

    /// How long it may take to open the connection, all stages together. Default: 20 s.
    pub fn connect_timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }

    /// Uses this TLS configuration for `wss` URLs. Default: ring, the roots of webpki-roots, no client certificate.
    ///
    /// If it names protocols for ALPN, `http/1.1` must be the only one. It takes the place of what
    /// [`root_certificates`](Self::root_certificates) and the like said, and one of those called later takes its place.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<ClientConfig>) -> Self {
        Self { tls: Some(config), trust: Trust::default(), ..self }
    }

    /// Opens a connection: resolves the host, tries its addresses, and does the handshakes.
    ///
    /// The addresses of both families take turns, each is given 250 ms before the next is tried beside it, and the
    /// first to accept wins (RFC 8305).
    ///
    /// # Errors
    /// [`ConnectError`] says at which stage it failed, and why.
    ///
    /// # Cancel safety
    /// If it is dropped, the connection that was being opened is closed.
    pub async fn connect(&self) -> Result<WebSocket, ConnectError> {
        let request = self.request()?;
        let stages = Stages::begin(self.timeout);
        // In boxes, so that the task of a connection is not as large for ever as its opening.
        match Box::pin(self.attempt(request, &stages)).await {
            Err(ConnectError::Handshake(answer)) if self.follows(&answer) => {
                Box::pin(self.redirected(request, answer, &stages)).await
            }
            result => result,
        }
    }

    /// Does the WebSocket handshake over a stream that is connected already, by TLS or any other way; of the URL only
    /// the host, for the request, and the path are used.
    ///
    /// # Errors
    /// [`ConnectError`] of the last stage.
    ///
    /// # Cancel safety
    /// If it is dropped, so is the stream.
    pub async fn handshake<S>(&self, stream: S) -> Result<WebSocket, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let request = self.request()?;
        let stages = Stages::begin(self.timeout);
        let transport = opening::transport(stream);
        stages.watch(Stage::Handshake, self.open(request, transport)).await
    }

    /// Changes the request unless something was wrong with it already.
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

    /// One connection to where the request goes, and no further.
    async fn attempt(
        &self,
        request: &ClientRequest,
        stages: &Stages,
    ) -> Result<WebSocket, ConnectError> {
        #[cfg(all(feature = "http2", feature = "tls"))]
        if self.prefer_http2 && request.url().is_secure() {
            return self.attempt_either(request, stages).await;
        }
        self.attempt_http1(request, stages).await
    }

    async fn attempt_http1(
        &self,
        request: &ClientRequest,
        stages: &Stages,
    ) -> Result<WebSocket, ConnectError> {
        let stream = self.dial(request.url(), stages).await?;
        let transport = self.secure(request, stream.into(), stages).await?;
        stages.watch(Stage::Handshake, self.open(request, transport)).await
    }

    #[cfg(feature = "tls")]
    async fn secure(
        &self,
        request: &ClientRequest,
        stream: Transport,
        stages: &Stages,
    ) -> Result<Transport, ConnectError> {
        if !request.url().is_secure() {
            return Ok(stream);
        }
        let peer = stream.peer_addr();
        let config = tls::config(self.tls.as_ref());
        let stream = begin_tls(stream, request.url().host(), config, stages).await?;
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
        _: &Stages,
    ) -> Result<Transport, ConnectError> {
        if request.url().is_secure() { Err(ConnectError::TlsDisabled) } else { Ok(stream) }
    }
}

/// The stage of TLS, with a configuration or the reason why there is none.
#[cfg(feature = "tls")]
async fn begin_tls(
    stream: Transport,
    host: &str,
    config: io::Result<Arc<ClientConfig>>,
    stages: &Stages,
) -> Result<TlsStream<Transport>, ConnectError> {
    let secured = async {
        let secured = async { tls::connect(stream, host, config?).await };
        secured.await.map_err(|source| ConnectError::Tls { host: host.to_owned(), source })
    };
    stages.watch(Stage::Tls, secured).await
}
