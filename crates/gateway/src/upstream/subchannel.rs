//! One address of an upstream, and the connection to it.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use http::Uri;
use http::uri::Scheme;
use rustls::ClientConfig;
use sockeye_grpc::{ConnectError, Endpoint};
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::AbortHandle;

use super::balance::Condition;
use super::channels::Channels;
use super::{UpstreamConfig, UpstreamUrl};

/// An address that a URL of the upstream has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Address {
    /// Index of the URL in the settings.
    pub(super) url: usize,
    pub(super) socket: Socket,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Socket {
    Tcp(SocketAddr),
    Unix(PathBuf),
}

impl fmt::Display for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// The HTTP/2 connections to an address, which are opened by the first call and again after a loss.
#[derive(Debug)]
pub(super) struct Subchannel {
    pub(super) address: Address,
    pub(super) channels: Channels,
    pending: AtomicUsize,
    is_healthy: AtomicBool,
    is_reachable: AtomicBool,
    /// Notified when the address becomes unreachable.
    pub(super) lost: Arc<Notify>,
    /// The task that checks the address.
    pub(super) monitor: OnceLock<AbortHandle>,
}

impl Subchannel {
    /// Creates the connections to an address. `connections` counts the attempts that got as far as
    /// a transport.
    pub(super) fn new(
        address: Address,
        config: &UpstreamConfig,
        tls: Option<&Arc<ClientConfig>>,
        connections: Arc<watch::Sender<u64>>,
    ) -> Self {
        let url = &config.urls[address.url];
        let mut endpoint = endpoint(&address.socket, connections)
            .origin(&origin(url))
            .connect_timeout(config.connect_timeout)
            .backoff(config.backoff)
            .keepalive_after(config.keepalive_after)
            .keepalive_timeout(config.keepalive_timeout)
            .stream_window(config.stream_window)
            .connection_window(config.connection_window)
            .max_header_list_size(config.max_header_list_size);
        if let Some(tls) = tls.filter(|_| url.is_secure) {
            endpoint = endpoint.tls(Arc::clone(tls));
        }
        Self {
            address,
            channels: Channels::new(endpoint),
            pending: AtomicUsize::new(0),
            // Until the first check, and without one, an address counts as healthy.
            is_healthy: AtomicBool::new(true),
            is_reachable: AtomicBool::new(true),
            lost: Arc::new(Notify::new()),
            monitor: OnceLock::new(),
        }
    }

    pub(super) fn condition(&self, was_tried: bool) -> Condition {
        Condition {
            is_healthy: self.is_healthy.load(Ordering::Relaxed),
            is_reachable: self.is_reachable(),
            was_tried,
            pending: self.pending.load(Ordering::Relaxed),
        }
    }

    pub(super) fn is_reachable(&self) -> bool {
        self.is_reachable.load(Ordering::Relaxed)
    }

    pub(super) fn set_healthy(&self, is_healthy: bool) {
        if self.is_healthy.swap(is_healthy, Ordering::Relaxed) != is_healthy {
            tracing::info!(address = %self.address.socket, is_healthy, "health of an upstream changed");
        }
    }

    pub(super) fn set_reachable(&self) {
        // The write is rare, and a shared cache line stays shared without it.
        if !self.is_reachable() && !self.is_reachable.swap(true, Ordering::Relaxed) {
            tracing::info!(address = %self.address.socket, "an upstream is reachable again");
        }
    }

    pub(super) fn set_unreachable(&self, error: &ConnectError) {
        if self.is_reachable() && self.is_reachable.swap(false, Ordering::Relaxed) {
            // Clients are not told, and each further failure is no news.
            tracing::warn!(address = %self.address.socket, %error, "an upstream cannot be reached");
            self.lost.notify_one();
        }
    }

    /// Counts a call, until the guard is dropped.
    pub(super) fn begin(self: &Arc<Self>) -> PendingCall {
        self.pending.fetch_add(1, Ordering::Relaxed);
        PendingCall { subchannel: Arc::clone(self) }
    }
}

impl Drop for Subchannel {
    fn drop(&mut self) {
        if let Some(monitor) = self.monitor.get() {
            monitor.abort();
        }
    }
}

/// A call in progress on a subchannel.
#[derive(Debug)]
pub(super) struct PendingCall {
    pub(super) subchannel: Arc<Subchannel>,
}

impl Drop for PendingCall {
    fn drop(&mut self) {
        self.subchannel.pending.fetch_sub(1, Ordering::Relaxed);
    }
}

fn origin(url: &UpstreamUrl) -> Uri {
    let scheme = if url.is_secure { Scheme::HTTPS } else { Scheme::HTTP };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(url.authority());
    parts.path_and_query = Some(http::uri::PathAndQuery::from_static("/"));
    // All three parts are present, which is the only condition that could fail.
    Uri::from_parts(parts).unwrap_or_default()
}

fn endpoint(socket: &Socket, connections: Arc<watch::Sender<u64>>) -> Endpoint {
    match socket.clone() {
        Socket::Tcp(address) => Endpoint::with_connector(move || {
            let connections = Arc::clone(&connections);
            async move {
                let stream = TcpStream::connect(address).await?;
                stream.set_nodelay(true)?;
                connections.send_modify(|count| *count += 1);
                Ok(stream)
            }
        }),
        Socket::Unix(path) => unix_endpoint(path, connections),
    }
}

#[cfg(unix)]
fn unix_endpoint(path: PathBuf, connections: Arc<watch::Sender<u64>>) -> Endpoint {
    Endpoint::with_connector(move || {
        let (path, connections) = (path.clone(), Arc::clone(&connections));
        async move {
            let stream = tokio::net::UnixStream::connect(path).await?;
            connections.send_modify(|count| *count += 1);
            io::Result::Ok(stream)
        }
    })
}

/// Refuses each call. The parser refuses such URLs where there are no unix sockets.
#[cfg(not(unix))]
fn unix_endpoint(_path: PathBuf, _connections: Arc<watch::Sender<u64>>) -> Endpoint {
    Endpoint::with_connector(|| async {
        io::Result::<TcpStream>::Err(io::ErrorKind::Unsupported.into())
    })
}
