//! Upgrades straight from a byte stream, without an HTTP library.

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;
use sockeye_proto::handshake::{
    HandshakeError, Negotiated, Refusal, Request, RequestHead, Response,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::{Options, UpgradeError};
use crate::WebSocket;
use crate::opening::{self, Deadline};
use crate::transport::Transport;

/// How much a refused client may still send while it reads why, in bytes.
const MAX_DISCARDED: u64 = 256 * 1024;

type OnHost = dyn Fn(&str) -> Result<(), Refusal> + Send + Sync;
type OnHeader = dyn Fn(&str, &[u8]) -> Result<(), Refusal> + Send + Sync;
type BeforeUpgrade = dyn Fn(&Request<'_>, &mut Response) -> Result<(), Refusal> + Send + Sync;

/// Upgrades byte streams to WebSockets, with a say in each request.
///
/// The request is read into one buffer, checked where it lies, and given to the callbacks as borrowed from there. Each
/// callback may refuse it with a status, headers and a text, which the client is sent. They are called in the order
/// in which they stand here, once the request is known to obey the handshake's rules and its origin is allowed.
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
    options: Options,
    on_host: Option<Arc<OnHost>>,
    on_header: Option<Arc<OnHeader>>,
    before_upgrade: Option<Arc<BeforeUpgrade>>,
}

impl Upgrader {
    /// An upgrader with the default [`Options`].
    pub fn new() -> Self {
        Self::default()
    }

    /// What to agree to, and the limits.
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Looks at the Host header: a host and an optional port.
    pub fn on_host(
        self,
        check: impl Fn(&str) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { on_host: Some(Arc::new(check)), ..self }
    }

    /// Looks at every header in turn: its name as the client wrote it, in whatever case, and its value. It does not see
    /// a header that is missing: what must be there is for [`before_upgrade`](Self::before_upgrade) to look up.
    pub fn on_header(
        self,
        check: impl Fn(&str, &[u8]) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { on_header: Some(Arc::new(check)), ..self }
    }

    /// Looks at the request as a whole before it is answered, and may add headers to the answer or choose another
    /// subprotocol.
    pub fn before_upgrade(
        self,
        check: impl Fn(&Request<'_>, &mut Response) -> Result<(), Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self { before_upgrade: Some(Arc::new(check)), ..self }
    }

    /// Reads a request from the stream and upgrades it.
    ///
    /// # Errors
    /// [`UpgradeError`]; a client that spoke HTTP was told what was wrong.
    ///
    /// # Cancel safety
    /// If it is dropped, so is the stream.
    pub async fn accept<S>(&self, stream: S) -> Result<WebSocket, UpgradeError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // In a box, so that the task of a connection is not as large for ever as its handshake.
        Box::pin(self.upgrade(opening::transport(stream))).await
    }

    async fn upgrade(&self, mut transport: Transport) -> Result<WebSocket, UpgradeError> {
        let after = self.options.timeout;
        let deadline = Deadline::after(after);
        let error = match deadline.watch(self.handshake(&mut transport)).await {
            Some(Ok((negotiated, input))) => {
                return Ok(self.options.open(transport, &input, negotiated));
            }
            Some(Err(error)) => error,
            None => UpgradeError::TimedOut { after },
        };
        tracing::debug!(error = &error as &dyn std::error::Error, "request not upgraded");
        if let UpgradeError::Handshake(reason) = &error {
            deadline.watch(refuse(&mut transport, reason)).await;
        }
        Err(error)
    }

    /// What was agreed on, and what the client sent beyond its request.
    async fn handshake(
        &self,
        transport: &mut Transport,
    ) -> Result<(Negotiated, BytesMut), UpgradeError> {
        let mut buffer = BytesMut::new();
        let end = opening::read_head(transport, &mut buffer, self.options.head_limits).await?;
        let response = self.answer(&buffer[..end])?;
        let mut bytes = Vec::with_capacity(256);
        response.encode(&mut bytes);
        transport.write_all(&bytes).await?;
        transport.flush().await?;
        Ok((response.into_negotiated(), buffer.split_off(end)))
    }

    fn answer(&self, head: &[u8]) -> Result<Response, HandshakeError> {
        let head = RequestHead::parse(head, self.options.head_limits)?;
        let request = Request::from_head(&head)?;
        tracing::Span::current().record("path", request.path());
        let mut response = self.options.answer(&request)?;
        if let Some(check) = &self.on_host {
            check(request.host())?;
        }
        if let Some(check) = &self.on_header {
            for (name, value) in request.headers() {
                check(name, value)?;
            }
        }
        if let Some(check) = &self.before_upgrade {
            check(&request, &mut response)?;
        }
        Ok(response)
    }
}

/// Tells the client why, as well as that can be done: it is refused in any case.
async fn refuse(transport: &mut Transport, error: &HandshakeError) {
    if matches!(error, HandshakeError::Truncated { .. }) {
        return;
    }
    let mut bytes = Vec::with_capacity(256);
    Refusal::from(error).encode(&mut bytes);
    if transport.write_all(&bytes).await.is_err() || transport.shutdown().await.is_err() {
        return;
    }
    // To close a TCP connection with input unread would discard the answer on its way. The deadline of the handshake
    // ends this as well.
    let mut rest = transport.take(MAX_DISCARDED);
    let mut discarded = [0; 1024];
    while matches!(rest.read(&mut discarded).await, Ok(1..)) {}
}

impl fmt::Debug for Upgrader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgrader").field("options", &self.options).finish_non_exhaustive()
    }
}
