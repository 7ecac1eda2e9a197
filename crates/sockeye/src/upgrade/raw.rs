//! Upgrades directly on a byte stream, without an HTTP library.

use std::fmt;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::{Extensions, StatusCode};
use sockeye_proto::Role;
use sockeye_proto::handshake::{
    HandshakeError, HeadSearch, Negotiated, Refusal, Request, RequestHead, Response,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tracing::{Instrument as _, Span, field};

use super::{
    Admission, HostPolicy, Options, TrustedProxies, UpgradeError, UpgradeRequest, Upgraded,
};
use crate::metrics::RoleMetrics;
use crate::opening::{self, Deadline};
use crate::transport::Transport;
use crate::{MemoryBudget, WebSocket, answer};

/// Maximum number of bytes read and discarded from a refused client, while it receives the
/// response.
const MAX_DISCARDED: u64 = 256 * 1024;

/// Timeout of the response that reports that the handshake timed out.
const TIMEOUT_ANSWER_DEADLINE: Duration = Duration::from_secs(1);

type OnHost = dyn Fn(&str) -> Result<(), Refusal> + Send + Sync;
type OnHeader = dyn Fn(&str, &[u8]) -> Result<(), Refusal> + Send + Sync;
type Admit = dyn Fn(UpgradeRequest) -> AdmitFuture + Send + Sync;
type AdmitFuture = Pin<Box<dyn Future<Output = Result<Admission, Refusal>> + Send>>;
type BeforeUpgrade = dyn Fn(&Request<'_>, &mut Response) -> Result<(), Refusal> + Send + Sync;

/// An acceptor that upgrades byte streams to WebSockets, with callbacks that check each request.
///
/// The request is read into one buffer, checked in place, and passed to the callbacks as borrowed
/// data. Each callback may refuse the request with a status, headers and a text, which are sent to
/// the client. The callbacks are called in the order of the methods here, once the request is known
/// to obey the rules of the handshake and its origin is allowed.
///
/// The handshake runs in a separate span, `websocket`, with the peer, path and subprotocol, at the
/// level `debug`.
///
/// ```no_run
/// # async fn example(listener: tokio::net::TcpListener) -> sockeye::Result<()> {
/// use sockeye::upgrade::{Refusal, Upgrader};
///
/// let upgrader = Upgrader::new()
///     .on_host(|host| match host {
///         "example.com" => Ok(()),
///         _ => Err(Refusal::forbidden("unknown host")),
///     })
///     .on_header(|name, value| {
///         if name.eq_ignore_ascii_case("User-Agent") && value.starts_with(b"BadBot") {
///             return Err(Refusal::forbidden("no robots"));
///         }
///         Ok(())
///     })
///     .before_upgrade(|request, _response| match (request.path(), request.header("X-Api-Key")) {
///         ("/chat", Some(b"secret")) => Ok(()),
///         ("/chat", _) => Err(Refusal::unauthorized("a key is needed")),
///         _ => Err(Refusal::not_found("only /chat")),
///     });
/// let (stream, _) = listener.accept().await?;
/// let mut ws = upgrader.accept(stream).await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Upgrader {
    /// Boxed, so that a task that creates an upgrader for its connection stays small.
    options: Box<Options>,
    on_host: Option<Arc<OnHost>>,
    on_header: Option<Arc<OnHeader>>,
    before_upgrade: Option<Arc<BeforeUpgrade>>,
    admit: Option<Arc<Admit>>,
}

impl Upgrader {
    /// Creates an upgrader with the default [`Options`].
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the options: the terms of the handshake, and the limits.
    pub fn options(self, options: Options) -> Self {
        Self { options: Box::new(options), ..self }
    }

    /// Sets the hosts that the server answers for: see [`Options::allow_hosts`].
    pub fn allow_hosts(self, hosts: HostPolicy) -> Self {
        Self { options: Box::new(self.options.allow_hosts(hosts)), ..self }
    }

    /// Sets the budget of unfinished data that all connections together may hold: see
    /// [`Options::memory_budget`].
    pub fn memory_budget(self, budget: MemoryBudget) -> Self {
        Self { options: Box::new(self.options.memory_budget(budget)), ..self }
    }

    /// Keeps the head of the request with the connection: see [`Options::keep_request`].
    pub fn keep_request(self, keep_request: bool) -> Self {
        Self { options: Box::new(self.options.keep_request(keep_request)), ..self }
    }

    /// Takes the client's address from the headers of trusted proxies: see
    /// [`Options::trusted_proxies`].
    ///
    /// An upgrader does not read the header of the PROXY protocol: where it is expected, the
    /// program calls
    /// [`TrustedProxies::read_proxy_header`](super::TrustedProxies::read_proxy_header) before it
    /// accepts the stream [from](Self::accept_from) the address that this returns.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { options: Box::new(self.options.trusted_proxies(proxies)), ..self }
    }

    /// Sets a check of the Host header: a host and an optional port.
    pub fn on_host(
        self,
        check: impl Fn(&str) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { on_host: Some(Arc::new(check)), ..self }
    }

    /// Sets a check of every header in turn: its name as the client wrote it, in any case, and its
    /// value. The check is not called for a missing header:
    /// [`before_upgrade`](Self::before_upgrade) can look up required headers.
    pub fn on_header(
        self,
        check: impl Fn(&str, &[u8]) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { on_header: Some(Arc::new(check)), ..self }
    }

    /// Sets a check of the whole request before the response, which may add headers to the response
    /// or choose another subprotocol.
    pub fn before_upgrade(
        self,
        check: impl Fn(&Request<'_>, &mut Response) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { before_upgrade: Some(Arc::new(check)), ..self }
    }

    /// Sets an asynchronous hook that decides on the whole request, after all other checks, and may
    /// await other services, such as a database. The hook either refuses with any status, headers
    /// and body, or admits the client, and may attach data to its connection, choose the
    /// subprotocol, and add headers to the response.
    ///
    /// The [timeout of the handshake](Options::handshake_timeout) includes the hook: when it
    /// expires, the hook's future is dropped, and the response is 503.
    ///
    /// ```no_run
    /// use sockeye::upgrade::{Admission, Refusal, UpgradeRequest, Upgrader};
    ///
    /// #[derive(Clone)]
    /// struct User(String);
    ///
    /// async fn admit(request: UpgradeRequest) -> Result<Admission, Refusal> {
    ///     let token = request.bearer_token().ok_or_else(|| Refusal::unauthorized("a token is needed"))?;
    ///     let user = find_user(token).await.ok_or_else(|| Refusal::forbidden("who is that?"))?;
    ///     Ok(Admission::new().data(user))
    /// }
    /// # async fn find_user(_: &str) -> Option<User> { None }
    ///
    /// let upgrader = Upgrader::new().admit(admit);
    /// # let _ = upgrader;
    /// ```
    pub fn admit<H, F>(self, hook: H) -> Self
    where
        H: Fn(UpgradeRequest) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Admission, Refusal>> + Send + 'static,
    {
        Self { admit: Some(Arc::new(move |request| Box::pin(hook(request)))), ..self }
    }

    /// Reads a request from the stream and upgrades it.
    ///
    /// # Errors
    /// [`UpgradeError`]; a client that spoke HTTP has received a response with the reason.
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn accept<S>(&self, stream: S) -> Result<WebSocket, UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let transport = opening::transport(stream);
        let peer = transport.peer_addr();
        self.accept_transport(transport, peer).instrument(span()).await
    }

    /// Accepts a stream as [`accept`](Self::accept) does, for streams whose remote address is not
    /// known: TLS, or behind a proxy that reports the client's address.
    ///
    /// # Errors
    /// The errors of [`accept`](Self::accept).
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn accept_from<S>(
        &self,
        stream: S,
        peer: SocketAddr,
    ) -> Result<WebSocket, UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        self.accept_transport(opening::transport(stream), Some(peer)).instrument(span()).await
    }

    /// Accepts a stream as [`accept`](Self::accept) does, for programs that handle the frames
    /// themselves: returns the bare stream, with the bytes received beyond the request. See
    /// [`Upgraded`].
    ///
    /// The frames are as negotiated: with `Options::deflate`, some are compressed.
    ///
    /// # Errors
    /// The errors of [`accept`](Self::accept).
    ///
    /// # Cancel safety
    /// Dropping the future drops the stream.
    pub async fn accept_raw<S>(&self, stream: S) -> Result<Upgraded<S>, UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let (stream, opened) = self.upgrade(stream, None, |_| Ok(())).instrument(span()).await?;
        let Opened { negotiated, input, data, .. } = opened;
        Ok(Upgraded { stream, unread: input, negotiated, data })
    }

    /// Accepts a transport as [`accept`](Self::accept) does, in the current span.
    pub(crate) async fn accept_transport(
        &self,
        transport: Transport,
        peer: Option<SocketAddr>,
    ) -> Result<WebSocket, UpgradeError> {
        self.accept_client(transport, peer, |_| Ok(())).await.map(|(ws, ())| ws)
    }

    /// Accepts a transport as [`accept_transport`](Self::accept_transport) does, with a check of
    /// the client's address by `enter`, whose result is returned with the connection.
    pub(crate) async fn accept_client<T>(
        &self,
        transport: Transport,
        peer: Option<SocketAddr>,
        enter: impl FnOnce(Option<SocketAddr>) -> Result<T, Refusal>,
    ) -> Result<(WebSocket, T), UpgradeError> {
        // Boxed, so that the task of a connection does not keep the size of the handshake's future.
        let upgrade = Box::pin(self.upgrade(transport, peer, enter));
        let (transport, Opened { negotiated, input, data, peer, admitted }) = upgrade.await?;
        let ws = self.options.open(transport, peer, &input, negotiated).with_data(data);
        Ok((ws, admitted))
    }

    /// Returns the timeout of the opening handshake.
    pub(crate) const fn handshake_timeout(&self) -> Duration {
        self.options.timeout
    }

    /// Returns the proxies trusted to report the client's address.
    pub(crate) const fn proxies(&self) -> &TrustedProxies {
        &self.options.proxies
    }

    async fn upgrade<S, T>(
        &self,
        mut stream: S,
        peer: Option<SocketAddr>,
        enter: impl FnOnce(Option<SocketAddr>) -> Result<T, Refusal>,
    ) -> Result<(S, Opened<T>), UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let proxies = &self.options.proxies;
        let behind_proxy = peer.is_some_and(|peer| proxies.trusts(peer.ip()));
        if !behind_proxy {
            Span::current().record("peer", peer.map(field::display));
        }
        let after = self.options.timeout;
        let deadline = Deadline::after(after);
        let mut deciding = false;
        let handshake = self.handshake(&mut stream, peer, enter, &mut deciding);
        let error = match deadline.watch(handshake).await {
            Some(Ok(opened)) => return Ok((stream, opened)),
            Some(Err(error)) => error,
            None => UpgradeError::TimedOut { after },
        };
        tracing::debug!(error = &error as &dyn std::error::Error, "request not upgraded");
        let role_metrics = RoleMetrics::of(Role::Server);
        match &error {
            UpgradeError::Handshake(HandshakeError::Truncated { .. }) => {
                role_metrics.count_refused_with(None);
            }
            UpgradeError::Handshake(reason) => {
                role_metrics.count_refused(reason);
                let mut bytes = Vec::with_capacity(256);
                answer::encode(reason, &mut bytes);
                deadline.watch(refuse(&mut stream, &bytes)).await;
            }
            UpgradeError::TimedOut { .. } if deciding => {
                let status = StatusCode::SERVICE_UNAVAILABLE;
                role_metrics.count_refused_with(Some(status));
                let refusal =
                    Refusal::new(status, "the server did not decide on the request in time\n");
                let mut bytes = Vec::with_capacity(256);
                answer::encode_refusal(refusal, &mut bytes);
                Deadline::after(TIMEOUT_ANSWER_DEADLINE).watch(refuse(&mut stream, &bytes)).await;
            }
            _ => role_metrics.count_refused_with(None),
        }
        Err(error)
    }

    /// Reads a request and refuses it, regardless of its content. Gives up after `time`.
    pub(crate) async fn refuse_connection(
        &self,
        mut transport: Transport,
        refusal: &Refusal,
        time: Duration,
    ) {
        let mut bytes = Vec::with_capacity(256);
        answer::encode_refusal(refusal.clone(), &mut bytes);
        let refusing = async {
            let search = HeadSearch::new(self.options.head_limits);
            if opening::read_head(&mut transport, &mut BytesMut::new(), search).await.is_ok() {
                let (peer, status) = (transport.peer_addr(), refusal.status());
                tracing::debug!(peer = peer.map(tracing::field::display), %status, "request refused");
                RoleMetrics::of(Role::Server).count_refused_with(Some(status));
                refuse(&mut transport, &bytes).await;
            }
        };
        Box::pin(Deadline::after(time).watch(refusing)).await;
    }

    /// Reads the request, decides and responds; `deciding` is set while the hook of
    /// [`admit`](Self::admit) runs.
    async fn handshake<S, T>(
        &self,
        stream: &mut S,
        peer: Option<SocketAddr>,
        enter: impl FnOnce(Option<SocketAddr>) -> Result<T, Refusal>,
        deciding: &mut bool,
    ) -> Result<Opened<T>, UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut buffer = BytesMut::new();
        let limits = self.options.head_limits;
        let end = opening::read_head(stream, &mut buffer, HeadSearch::new(limits)).await?;
        let (response, data, peer, admitted) = {
            let head = RequestHead::parse(&buffer[..end], limits)?;
            let request = Request::from_head(&head)?;
            let client = self.options.client(peer, &request);
            if client != peer {
                Span::current().record("peer", client.map(field::display));
            }
            let peer = client;
            let admitted = enter(peer).map_err(HandshakeError::from)?;
            let mut response = self.answer(&request)?;
            let mut data = Extensions::new();
            if let Some(admit) = &self.admit {
                let copy = UpgradeRequest::new(&request, peer).map_err(HandshakeError::from)?;
                *deciding = true;
                let admission = admit(copy).await.map_err(HandshakeError::from)?;
                *deciding = false;
                data = admission.apply(&request, &mut response).map_err(HandshakeError::from)?;
            }
            let data = self.options.connection_data(data, &request, peer)?;
            (response, data, peer, admitted)
        };
        let mut bytes = Vec::with_capacity(256);
        response.encode(&mut bytes);
        stream.write_all(&bytes).await?;
        stream.flush().await?;
        let (negotiated, input) = (response.into_negotiated(), buffer.split_off(end));
        Ok(Opened { negotiated, input, data, peer, admitted })
    }

    fn answer(&self, request: &Request<'_>) -> Result<Response, HandshakeError> {
        Span::current().record("path", request.path());
        let mut response = self.options.answer(request)?;
        if let Some(check) = &self.on_host {
            check(request.host())?;
        }
        if let Some(check) = &self.on_header {
            for (name, value) in request.headers() {
                check(name, value)?;
            }
        }
        if let Some(check) = &self.before_upgrade {
            check(request, &mut response)?;
        }
        Ok(response)
    }
}

/// Returns the span of a connection: a handshake records its peer, path and subprotocol in the
/// current span.
pub(crate) fn span() -> Span {
    tracing::debug_span!(
        "websocket",
        peer = field::Empty,
        path = field::Empty,
        subprotocol = field::Empty,
    )
}

/// The result of a successful handshake.
struct Opened<T> {
    negotiated: Negotiated,
    /// The bytes that the client sent beyond its request.
    input: BytesMut,
    data: Extensions,
    /// The client's address.
    peer: Option<SocketAddr>,
    /// The result of the server's check of the client's address.
    admitted: T,
}

/// Sends the response on a best-effort basis: the connection ends in any case.
async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, answer: &[u8]) {
    if stream.write_all(answer).await.is_err() || stream.shutdown().await.is_err() {
        return;
    }
    // Closing a TCP connection with unread input would discard the response in transit. The
    // caller's timeout bounds this as well.
    let mut rest = stream.take(MAX_DISCARDED);
    let mut discarded = [0; 1024];
    while matches!(rest.read(&mut discarded).await, Ok(1..)) {}
}

impl fmt::Debug for Upgrader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrader").field("options", &self.options).finish_non_exhaustive()
    }
}
