//! Connections to the server: names, TCP, TLS and HTTP.

use std::error::Error as _;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, InvalidMessage};
use sockeye::http::header::{HOST, USER_AGENT};
use sockeye::http::uri::{PathAndQuery, Scheme};
use sockeye::http::{HeaderValue, Request, Response, Uri};
use sockeye::{ErrorChain, escape};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;

use super::address::Address;
use super::arguments::Call;
use crate::client::{Failure, tls};
use crate::host::tls::HTTP2;

/// Timeout of opening a connection: resolution, TCP and TLS. Chosen: within it, a lost SYN is sent
/// again three times.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Window of a stream and of the connection over HTTP/2, in bytes: those of hyper's client.
const STREAM_WINDOW: u32 = 2 << 20;
const CONNECTION_WINDOW: u32 = 5 << 20;

/// Maximum size of the headers of a response, in bytes. Taken from the gateway's upstreams.
const MAX_HEADER_LIST_SIZE: u32 = 64 << 10;

const AGENT: &str = concat!("sockeye/", env!("CARGO_PKG_VERSION"));

/// The versions of HTTP that a protocol can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Versions {
    /// HTTP/2 only.
    Http2,
    /// HTTP/1.1 without TLS; with TLS, what the server selects.
    Any,
}

/// Opens connections to a server.
#[derive(Debug)]
pub(super) struct Connector {
    address: Address,
    /// `None` for an address without TLS.
    tls: Option<Arc<ClientConfig>>,
}

/// A connection of HTTP, which ends when this is dropped.
#[derive(Debug)]
pub(super) enum Connection {
    Http1 {
        sender: http1::SendRequest<Body>,
        host: HeaderValue,
        /// The task that drives the connection, with the error that ends it.
        driver: JoinHandle<hyper::Result<()>>,
    },
    Http2(Http2Connection),
}

/// A connection of HTTP/2.
#[derive(Clone, Debug)]
pub(super) struct Http2Connection {
    sender: http2::SendRequest<Body>,
    /// Scheme and authority.
    origin: Uri,
}

impl Connector {
    /// Creates a connector with the address and the certificates of the arguments.
    ///
    /// # Errors
    /// A usage failure if the certificates cannot be used.
    pub(super) fn new(options: &Call) -> Result<Self, Failure> {
        let address = options.address.clone();
        let tls = if address.is_secure {
            let own = options.cert.as_deref().zip(options.key.as_deref());
            let cacert = options.cacert.as_deref();
            Some(Arc::new(tls::client_config(options.insecure, cacert, own)?))
        } else {
            None
        };
        Ok(Self { address, tls })
    }

    pub(super) fn address(&self) -> &Address {
        &self.address
    }

    /// Returns the TLS configuration, without protocols for ALPN.
    pub(super) fn tls(&self) -> Option<&Arc<ClientConfig>> {
        self.tls.as_ref()
    }

    /// Opens a connection.
    pub(super) async fn connect(&self, versions: Versions) -> Result<Connection, Failure> {
        if versions == Versions::Http2 {
            return self.connect_http2().await.map(Connection::Http2);
        }
        let Some(tls) = &self.tls else { return self.http1(self.dial().await?).await };
        let stream = self.dial_tls(tls, &[HTTP2, b"http/1.1"]).await?;
        if stream.get_ref().1.alpn_protocol() == Some(HTTP2) {
            self.http2(stream).await.map(Connection::Http2)
        } else {
            self.http1(stream).await
        }
    }

    /// Opens a connection of HTTP/2.
    pub(super) async fn connect_http2(&self) -> Result<Http2Connection, Failure> {
        let Some(tls) = &self.tls else { return self.http2(self.dial().await?).await };
        let stream = self.dial_tls(tls, &[HTTP2]).await?;
        if stream.get_ref().1.alpn_protocol() != Some(HTTP2) {
            return Err(Failure::refused("the server does not select HTTP/2, which gRPC needs"));
        }
        self.http2(stream).await
    }

    async fn dial(&self) -> Result<TcpStream, Failure> {
        let dialed = timeout(CONNECT_TIMEOUT, self.dial_each()).await;
        dialed.unwrap_or_else(|_| Err(self.unreachable(&too_slow())))
    }

    /// Tries the addresses of the host one after the other.
    async fn dial_each(&self) -> Result<TcpStream, Failure> {
        let Address { host, port, .. } = &self.address;
        let addresses = tokio::net::lookup_host((host.as_str(), *port)).await;
        let addresses = addresses.map_err(|error| {
            Failure::resolve(format!("the host {host} was not found: {}", ErrorChain(&error)))
        })?;
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    // Without it, a small message may wait for an acknowledgement of the last one.
                    let _ = stream.set_nodelay(true);
                    return Ok(stream);
                }
                Err(error) => last = error,
            }
        }
        Err(self.unreachable(&last))
    }

    fn unreachable(&self, error: &io::Error) -> Failure {
        let Address { host, port, .. } = &self.address;
        let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        Failure::connect(format!("cannot connect to {host}:{port}: {error}"))
    }

    async fn dial_tls(
        &self,
        config: &Arc<ClientConfig>,
        protocols: &[&[u8]],
    ) -> Result<TlsStream<TcpStream>, Failure> {
        let host = &self.address.host;
        let stream = self.dial().await?;
        let mut config = ClientConfig::clone(config);
        config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| Failure::tls(format!("{host} is no name of a certificate")))?;
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let connected = timeout(CONNECT_TIMEOUT, connecting).await;
        connected.unwrap_or_else(|_| Err(too_slow())).map_err(|error| {
            let cause = ErrorChain(&error).to_string();
            let hint = tls_hint(&error);
            Failure::tls(format!("the TLS handshake with {host} failed: {}{hint}", escape(&cause)))
        })
    }

    async fn http1<S>(&self, stream: S) -> Result<Connection, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| Failure::lost(&error))?;
        let driver = tokio::spawn(connection);
        let host = HeaderValue::from_str(self.address.authority.as_str())
            .map_err(|_| Failure::usage("the address cannot be the header `host`"))?;
        Ok(Connection::Http1 { sender, host, driver })
    }

    async fn http2<S>(&self, stream: S) -> Result<Http2Connection, Failure>
    where
        S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
    {
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(MAX_HEADER_LIST_SIZE)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::lost(&error))?;
        tokio::spawn(connection);
        let scheme = if self.address.is_secure { Scheme::HTTPS } else { Scheme::HTTP };
        let origin = Uri::builder()
            .scheme(scheme)
            .authority(self.address.authority.clone())
            .path_and_query(PathAndQuery::from_static("/"))
            .build()
            .map_err(|error| Failure::usage(format!("the address is no origin: {error}")))?;
        Ok(Http2Connection { sender, origin })
    }
}

impl Connection {
    /// Sends a request, whose URI is a path, and returns the head of the response.
    pub(super) async fn send(
        &mut self,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, Failure> {
        request.headers_mut().entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        let sent = match self {
            Self::Http1 { sender, host, driver } => {
                request.headers_mut().insert(HOST, host.clone());
                match sender.send_request(request).await {
                    // The connection has ended, with an error that says why.
                    Err(error) if error.is_canceled() => Err(match driver.await {
                        Ok(Err(cause)) => cause,
                        _ => error,
                    }),
                    sent => sent,
                }
            }
            Self::Http2(connection) => connection.send(request).await,
        };
        sent.map_err(|error| {
            if is_other_protocol(&error) {
                let cause = ErrorChain(&error).to_string();
                let cause = escape(&cause);
                return Failure::refused(format!(
                    "the server does not speak HTTP/1.1, perhaps only HTTP/2 as with --protocol \
                     grpc: {cause}"
                ));
            }
            Failure::lost(&error)
        })
    }
}

/// Returns whether the server sent something else than HTTP/1.1. hyper has no name for the error of
/// bytes before the request, such as the settings of HTTP/2: unlike errors of I/O, it has no
/// source.
fn is_other_protocol(error: &hyper::Error) -> bool {
    // The error of the connection is the source of the error of a request that it had accepted.
    if let Some(cause) = error.source().and_then(|source| source.downcast_ref::<hyper::Error>()) {
        return is_other_protocol(cause);
    }
    let is_lost = error.is_canceled() || error.is_closed() || error.is_incomplete_message();
    error.is_parse() || (!is_lost && error.source().is_none())
}

impl Http2Connection {
    /// Waits until the connection takes a request, or is over.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
        self.sender.poll_ready(cx)
    }

    /// Sends a request, whose URI is a path.
    pub(super) fn send(
        &mut self,
        mut request: Request<Body>,
    ) -> impl Future<Output = hyper::Result<Response<Incoming>>> + use<> {
        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = request.uri().path_and_query().cloned().or(parts.path_and_query);
        // All three parts are present, which is the only condition that could fail.
        *request.uri_mut() = Uri::from_parts(parts).unwrap_or_default();
        self.sender.send_request(request)
    }
}

/// Returns the next step after a TLS handshake that failed, for the failures that have one.
fn tls_hint(error: &io::Error) -> &'static str {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    match error {
        Some(rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType)) => {
            "; the server seems to speak no TLS: try http:// in front of the address"
        }
        Some(rustls::Error::InvalidCertificate(_)) => {
            "; name the certificate of its authority by --cacert FILE, or trust any server by -k"
        }
        _ => "",
    }
}

fn too_slow() -> io::Error {
    let message = format!("no connection within {} s", CONNECT_TIMEOUT.as_secs());
    io::Error::new(io::ErrorKind::TimedOut, message)
}
