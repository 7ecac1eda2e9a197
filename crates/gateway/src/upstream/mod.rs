//! gRPC servers that the gateway calls.
//!
//! ```text
//!   Upstream ─ admission, deadline, retries ─► choice of an address ─► Subchannel ─► HTTP/2
//!                                                  ▲                      ▲
//!                        resolution of names ──────┴──── health checks ───┘
//! ```
//!
//! A call passes as it is: this module sees headers, frames and trailers, and no message. The
//! connections are those of [`sockeye_grpc`], over TCP, TLS or unix sockets instead of WebSockets.

mod balance;
mod body;
mod call;
mod channels;
mod config;
mod health;
mod health_check;
mod replay;
mod resolve;
mod retry;
mod subchannel;
mod tls;
mod url;

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use rustls::ClientConfig;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::AbortHandle;
use tonic::Status;
use tower_service::Service;

use balance::Balancer;
use resolve::{ResolveError, Resolved};
use retry::RetryBudget;

pub use balance::Balance;
pub use body::UpstreamBody;
pub use call::CallOptions;
pub use config::UpstreamConfig;
pub use health_check::HealthCheck;
pub use tls::{UpstreamTls, UpstreamTlsError};
pub use url::{UpstreamUrl, UpstreamUrlError};

/// One gRPC service or several, on one address or several.
///
/// Clones share the connections, one to each address for each runtime that makes calls. They are
/// closed when the last clone is dropped and no call is in progress. Clients that tonic generates
/// take an upstream as their channel.
///
/// # Retries
/// A call is sent again, to another address if there is one, only if no byte of a response has
/// arrived, and either the server has certainly not executed it (there was no connection, or the
/// server refused the stream), or the method is [idempotent](CallOptions::is_idempotent) and the
/// status is `unavailable`. There are at most three attempts, 64 KiB of the request are kept for
/// them, and [`UpstreamConfig::retry_percent`] limits the retries of all calls. A server's
/// `grpc-retry-pushback-ms` is obeyed, up to 30 s.
///
/// # Cancellation
/// Dropping the future of a call or its response body resets the stream at once.
#[derive(Clone)]
pub struct Upstream {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    /// The task that resolves names.
    resolver: Option<AbortHandle>,
}

struct Shared {
    config: UpstreamConfig,
    tls: Option<Arc<ClientConfig>>,
    balancer: Balancer,
    budget: RetryBudget,
    /// One permit for each call that may be in progress.
    permits: Arc<Semaphore>,
    /// Number of calls that wait for a permit.
    waiting: AtomicUsize,
    resolved: watch::Sender<Resolved>,
    /// Notified when the addresses should be resolved again.
    refresh: Notify,
    /// Number of connections that were opened.
    connections: Arc<watch::Sender<u64>>,
}

impl Upstream {
    /// Creates an upstream. Names are resolved in a task; connections are opened by calls.
    ///
    /// # Errors
    /// [`UpstreamTlsError`] if the TLS settings cannot be used.
    ///
    /// # Panics
    /// Panics outside of a tokio runtime.
    pub fn new(config: UpstreamConfig) -> Result<Self, UpstreamTlsError> {
        let is_secure = config.urls.iter().any(UpstreamUrl::is_secure);
        let tls = if is_secure { Some(config.tls.config()?) } else { None };
        let shared = Arc::new(Shared {
            tls,
            balancer: Balancer::new(config.balance),
            budget: RetryBudget::new(config.retry_percent),
            permits: Arc::new(Semaphore::new(config.max_calls.min(Semaphore::MAX_PERMITS))),
            waiting: AtomicUsize::new(0),
            resolved: watch::Sender::new(Resolved::default()),
            refresh: Notify::new(),
            connections: Arc::new(watch::Sender::new(0)),
            config,
        });
        let resolver = if resolve::use_fixed(&shared) {
            None
        } else {
            Some(tokio::spawn(resolve::run(Arc::clone(&shared))).abort_handle())
        };
        Ok(Self { inner: Arc::new(Inner { shared, resolver }) })
    }

    /// Makes a call, and waits for the head of the response. The request's path is that of the
    /// method, and its body the messages with their length prefixes.
    ///
    /// # Errors
    /// The status of a call that was not admitted, could not be sent, or was cut off before the
    /// head of a response. A status that the server sent is in the headers or the trailers of the
    /// response.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call.
    pub async fn call<B>(
        &self,
        request: Request<B>,
        options: CallOptions,
    ) -> Result<Response<UpstreamBody>, Status>
    where
        B: Body<Data = Bytes> + Send + Unpin + 'static,
        B::Error: Into<Box<dyn Error + Send + Sync>>,
    {
        self.inner.shared.call(request, options).await
    }

    /// Returns the URLs, for messages to operators.
    pub fn urls(&self) -> &[UpstreamUrl] {
        &self.inner.shared.config.urls
    }

    /// Returns the number of connections opened so far, whose changes can be awaited.
    pub(crate) fn connections(&self) -> watch::Receiver<u64> {
        self.inner.shared.connections.subscribe()
    }

    /// Returns the number of calls in progress, for metrics.
    pub fn pending_calls(&self) -> usize {
        let shared = &self.inner.shared;
        shared.config.max_calls.saturating_sub(shared.permits.available_permits())
    }

    /// Returns the number of calls that wait for others to end, for metrics.
    pub fn waiting_calls(&self) -> usize {
        self.inner.shared.waiting.load(Ordering::Relaxed)
    }
}

/// Returns whether a call ended with this status because the upstream cannot be reached.
pub(crate) fn is_unreachable(status: &Status) -> bool {
    sockeye_grpc::connect_error(status).is_some()
        || status.source().is_some_and(<dyn Error>::is::<ResolveError>)
}

impl Drop for Inner {
    fn drop(&mut self) {
        if let Some(resolver) = &self.resolver {
            resolver.abort();
        }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("urls", &self.to_string()).finish_non_exhaustive()
    }
}

/// Writes the URLs, with commas between them.
impl fmt::Display for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, url) in self.urls().iter().enumerate() {
            f.write_str(if index > 0 { "," } else { "" })?;
            url.fmt(f)?;
        }
        Ok(())
    }
}

/// Always ready: a problem is reported by the call, as a status.
impl Service<Request<tonic::body::Body>> for Upstream {
    type Response = Response<UpstreamBody>;
    type Error = Status;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Status>> + Send>>;

    fn poll_ready(&mut self, _cx: &mut Context<'_>) -> Poll<Result<(), Status>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
        let upstream = self.clone();
        Box::pin(async move { Self::call(&upstream, request, CallOptions::default()).await })
    }
}

/// Returns random bits, or zeros if the system provides none. They spread attempts over time; no
/// security depends on them.
fn random() -> u64 {
    getrandom::u64().unwrap_or_default()
}
