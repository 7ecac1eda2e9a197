//! A gRPC server on WebSocket connections.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use bytes::Bytes;
use futures_core::Stream;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::{Extensions, Request, Response};
use http_body::{Body, Frame};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::server::Connected;
use tower_service::Service;

use crate::clock::BoxFuture;
use crate::gather::Gate;
use crate::http2::{self, BodyReceiver, Intakes, SendBody, Sent};
use crate::server::MAX_PENDING_ACCEPT_RESETS;
use crate::{CallError, Connection, Incoming};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Default maximum number of concurrent calls of a connection. Further calls wait at the client.
const DEFAULT_MAX_CALLS: u32 = 100;

/// Default number of calls that a client may cancel at once: a program that abandons its work
/// cancels thousands of calls.
const DEFAULT_MAX_CANCELLED: u32 = 10_000;

/// Number of further calls that a client may cancel each second: more calls than most services
/// serve to one client. Discarding these calls takes about one percent of a core.
const CANCELLED_PER_SECOND: u32 = 500;

/// Weight, in cancelled calls, of a call that was cancelled while its response waited for the
/// client to read: h2 may keep 330 bytes of such a call for the lifetime of the connection, see
/// `docs/h2-reset-streams.md`.
const UNREAD_CANCEL_WEIGHT: u32 = 10;

/// Default stream window, in bytes: a quarter of the default of hyper's server, so that a
/// connection whose streams are not read holds at most 25 MiB.
const DEFAULT_STREAM_WINDOW: u32 = 256 * 1024;

/// Default maximum size of a header list, in bytes, as in
/// [`Endpoint::max_header_list_size`](crate::Endpoint::max_header_list_size).
const DEFAULT_MAX_HEADER_LIST_SIZE: u32 = 64 * 1024;

/// Maximum window of HTTP/2 (RFC 9113 section 6.9.1), in bytes.
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Serves gRPC on the connections of [`incoming`](crate::incoming()): one tonic service, or several
/// as [`Routes`](tonic::service::Routes).
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let (greeter, test_service) = sockeye_grpc_testing::service::services();
/// use tonic::service::Routes;
///
/// let (incoming, accept) = sockeye_grpc::incoming();
/// let websockets = sockeye::Server::bind("127.0.0.1:8080").await?;
/// tokio::spawn(websockets.serve(move |ws| accept.deliver(ws)));
/// sockeye_grpc::serve(incoming, Routes::new(greeter).add_service(test_service)).await;
/// # Ok(())
/// # }
/// ```
///
/// A tonic server accepts the same connections; this server differs in three ways:
///
/// * **If the handlers read slowly, the client waits, even if its messages are short.** Tonic's
///   HTTP/2 server ends a connection, with all its calls, when about a thousand short messages of a
///   stream are unread: see [`server`](crate::server).
/// * **Data from the opening handshake reaches the handlers.** Each value of
///   [`Admission::data`](sockeye::upgrade::Admission::data), and any other data that
///   [`WebSocket::data`](sockeye::WebSocket::data) returns, is in the extensions of each request,
///   beside the `TcpConnectInfo` that `tonic::Request::remote_addr` reads.
/// * The program applies tower layers to the service itself, and TLS inside the WebSocket requires
///   tonic's server.
pub fn serve<S>(incoming: Incoming, service: S) -> Serve<S> {
    Serve { incoming, service, config: ServeConfig::new(), shutdown: Box::pin(pending()) }
}

/// Limits of [`serve`] and [`serve_connection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeConfig {
    max_calls: u32,
    max_cancelled: u32,
    stream_window: u32,
    max_header_list_size: u32,
}

impl ServeConfig {
    /// Returns the default limits.
    pub const fn new() -> Self {
        Self {
            max_calls: DEFAULT_MAX_CALLS,
            max_cancelled: DEFAULT_MAX_CANCELLED,
            stream_window: DEFAULT_STREAM_WINDOW,
            max_header_list_size: DEFAULT_MAX_HEADER_LIST_SIZE,
        }
    }

    /// Sets how many calls of one connection may be in progress. Further calls wait at the client.
    /// Default: 100.
    pub const fn max_calls(self, calls: u32) -> Self {
        Self { max_calls: calls, ..self }
    }

    /// Sets how many calls a client may cancel at once on one connection. Default: 10,000. Each
    /// second the client may cancel 500 more. A call whose response waited for the client to read
    /// counts as ten.
    ///
    /// Beyond the limit, the connection accepts no new calls and ends when its last call has ended,
    /// so the client has to reconnect. At twice the limit, the connection ends at once with
    /// `ENHANCE_YOUR_CALM`. A cancelled call counts towards [`max_calls`](Self::max_calls) until
    /// its handler is dropped. While the calls exceed that limit, the connection is not read, so
    /// that a client that cancels continuously has to wait, and other clients do not.
    pub const fn max_cancelled_calls(self, calls: u32) -> Self {
        Self { max_cancelled: calls, ..self }
    }

    /// Sets how many bytes of one call's requests may be in flight or unread; at most 2³¹ − 1.
    /// Default: 256 KiB.
    ///
    /// A call never uses the window of another call: a connection holds at most this number of
    /// bytes for each of [`max_calls`](Self::max_calls).
    pub const fn stream_window(self, bytes: u32) -> Self {
        Self { stream_window: bytes, ..self }
    }

    /// Sets the maximum size of a request's list of headers, in bytes as counted by RFC 9113
    /// section 6.5.2. A request that exceeds the limit is answered with 431. Default: 64 KiB.
    pub const fn max_header_list_size(self, bytes: u32) -> Self {
        Self { max_header_list_size: bytes, ..self }
    }

    fn http2(self) -> server::Builder {
        let connection_window = self.stream_window.saturating_mul(self.max_calls);
        let mut builder = server::Builder::new();
        builder
            .max_concurrent_streams(self.max_calls)
            .initial_window_size(self.stream_window.min(MAX_WINDOW))
            .initial_connection_window_size(connection_window.clamp(1, MAX_WINDOW))
            .max_header_list_size(self.max_header_list_size)
            .max_pending_accept_reset_streams(MAX_PENDING_ACCEPT_RESETS)
            .data_frame_budget(http2::DATA_FRAME_BUDGET);
        builder
    }
}

impl Default for ServeConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// A server created by [`serve`], which runs when awaited. Completes when no more connections can
/// arrive and all calls have ended.
pub struct Serve<S> {
    incoming: Incoming,
    service: S,
    config: ServeConfig,
    shutdown: BoxFuture<()>,
}

impl<S> Serve<S> {
    /// Sets the limits.
    pub fn config(self, config: ServeConfig) -> Self {
        Self { config, ..self }
    }

    /// Shuts down when `signal` is ready: accepts no more connections and no more calls, and ends
    /// each connection when its last call has ended.
    pub fn with_graceful_shutdown(self, signal: impl Future<Output = ()> + Send + 'static) -> Self {
        Self { shutdown: Box::pin(signal), ..self }
    }
}

impl<S, B> IntoFuture for Serve<S>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Output = ();
    type IntoFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(run(self))
    }
}

async fn run<S, B>(serve: Serve<S>)
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let Serve { incoming, service, config, mut shutdown } = serve;
    let mut incoming = Some(incoming);
    let (stop, stopping) = watch::channel(false);
    let mut connections = JoinSet::new();
    poll_fn(move |cx| {
        if !*stop.borrow() && shutdown.as_mut().poll(cx).is_ready() {
            stop.send_replace(true);
            incoming = None;
        }
        while let Some(queue) = &mut incoming {
            let Poll::Ready(next) = Pin::new(queue).poll_next(cx) else { break };
            let Some(Ok(connection)) = next else {
                incoming = None;
                break;
            };
            let (service, mut stopping) = (service.clone(), stopping.clone());
            connections.spawn(async move {
                let shutdown = async move {
                    // An error means that the server is gone, which ends this task as well.
                    let _ = stopping.wait_for(|stopping| *stopping).await;
                };
                // The calls of the connection have received the error.
                let _ended = serve_connection(connection, service, &config, shutdown).await;
            });
        }
        while let Poll::Ready(Some(_)) = connections.poll_join_next(cx) {}
        if incoming.is_none() && connections.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Serves gRPC on one connection, as [`serve`] does, until the client ends it, or until `shutdown`
/// is ready and the calls in progress have ended.
///
/// # Errors
/// Returns an error if the client violated HTTP/2, or if the WebSocket failed.
///
/// # Cancel safety
/// If the future is dropped, the connection is dropped and its calls are cancelled.
pub async fn serve_connection<S, B>(
    mut connection: Connection,
    service: S,
    config: &ServeConfig,
    shutdown: impl Future<Output = ()>,
) -> Result<(), h2::Error>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let mut extensions = connection.data().clone();
    extensions.insert(connection.connect_info());
    let gate = connection.gate();
    let mut shutdown = pin!(shutdown);
    let mut handshake = pin!(config.http2().handshake(connection));
    let handshake = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Ready(connection) => Poll::Ready(Some(connection)),
        Poll::Pending => shutdown.as_mut().poll(cx).map(|()| None),
    });
    let Some(connection) = handshake.await.transpose()? else { return Ok(()) };
    let mut driver = Driver {
        connection,
        gate,
        intakes: Intakes::new(),
        calls: JoinSet::new(),
        max_calls: config.max_calls as usize,
        cancelled: CancelCounter::new(config.max_cancelled),
        service,
        extensions,
        is_stopping: false,
    };
    poll_fn(|cx| {
        if !driver.is_stopping && shutdown.as_mut().poll(cx).is_ready() {
            driver.stop();
        }
        driver.poll(cx)
    })
    .await
}

/// The driver of a connection, its calls and its request bodies, until the connection ends.
struct Driver<S> {
    connection: server::Connection<Connection, Bytes>,
    gate: Gate,
    intakes: Intakes<BodyReceiver>,
    /// The tasks of calls: those in progress, and those that were cancelled and are not yet
    /// discarded. A task whose call the client cancelled returns the weight of the cancellation.
    calls: JoinSet<Option<u32>>,
    max_calls: usize,
    cancelled: CancelCounter,
    service: S,
    /// Extensions added to every request.
    extensions: Extensions,
    is_stopping: bool,
}

impl<S, B> Driver<S>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>, Error = Infallible>
        + Clone
        + Send
        + 'static,
    S::Future: Send,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn stop(&mut self) {
        self.is_stopping = true;
        self.connection.graceful_shutdown();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let ended = self.poll_calls(cx);
        // Polled after the connection, so that calls in progress receive the error that ended it.
        http2::poll_all(&mut self.intakes, cx);
        ended
    }

    /// Accepts calls up to the limit.
    ///
    /// A cancelled call counts towards the limit until its task has ended. Otherwise a client that
    /// begins calls and cancels them at once would create tasks faster than the runtime can run
    /// them, and every other task of the runtime would wait behind thousands of these tasks. Beyond
    /// the limit, the connection is not polled at all: at least one of the tasks then belongs to a
    /// call that is over for h2, and that task ends without the connection.
    fn poll_calls(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        self.poll_ended(cx);
        while self.calls.len() <= self.max_calls {
            match self.connection.poll_accept(cx) {
                Poll::Ready(Some(call)) => {
                    let (request, respond) = call?;
                    // All calls that h2 has read are accepted before h2 reads more input.
                    self.gate.close();
                    let request = self.receive(request);
                    self.calls.spawn(answer(request, respond, self.service.clone()));
                    self.poll_ended(cx);
                }
                Poll::Ready(None) => return Poll::Ready(Ok(())),
                Poll::Pending if self.gate.open() => {}
                Poll::Pending => break,
            }
        }
        Poll::Pending
    }

    /// Collects the calls that have ended, and counts cancellations.
    fn poll_ended(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(ended)) = self.calls.poll_join_next(cx) {
            // A call whose handler panicked was not cancelled.
            let Ok(Some(weight)) = ended else { continue };
            match self.cancelled.count(weight) {
                CancelRate::Acceptable => {}
                CancelRate::High if self.is_stopping => {}
                CancelRate::High => self.stop(),
                CancelRate::Excessive => self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM),
            }
        }
    }

    fn receive(&mut self, request: Request<RecvStream>) -> Request<tonic::body::Body> {
        let (mut head, stream) = request.into_parts();
        head.extensions.extend(self.extensions.clone());
        let body = if stream.is_end_stream() {
            tonic::body::Body::empty()
        } else {
            let (intake, body) = http2::accept(stream, http2::End::default());
            self.intakes.push(intake);
            tonic::body::Body::new(RequestBody(body))
        };
        Request::from_parts(head, body)
    }
}

/// A counter of the calls that a client has cancelled.
#[derive(Debug)]
struct CancelCounter {
    limit: u32,
    /// Number of cancelled calls beyond the allowed rate.
    count: u32,
    /// Time up to which the allowed rate was subtracted. The clock is read only when `count`
    /// exceeds the limit.
    since: Instant,
}

/// The rate of cancelled calls, compared with the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CancelRate {
    Acceptable,
    /// Above the limit.
    High,
    /// More than twice the limit.
    Excessive,
}

impl CancelCounter {
    fn new(limit: u32) -> Self {
        Self { limit, count: 0, since: Instant::now() }
    }

    fn count(&mut self, weight: u32) -> CancelRate {
        self.count = self.count.saturating_add(weight);
        if self.count > self.limit {
            let now = Instant::now();
            let allowed = (now - self.since).as_millis() * u128::from(CANCELLED_PER_SECOND) / 1000;
            if allowed > 0 {
                self.count = self.count.saturating_sub(u32::try_from(allowed).unwrap_or(u32::MAX));
                self.since = now;
            }
        }
        if self.count <= self.limit {
            CancelRate::Acceptable
        } else if self.count / 2 <= self.limit {
            CancelRate::High
        } else {
            CancelRate::Excessive
        }
    }
}

/// Answers a call, unless the client cancels it. Returns the weight of the cancellation, if any.
async fn answer<S, B>(
    request: Request<tonic::body::Body>,
    mut respond: SendResponse<Bytes>,
    mut service: S,
) -> Option<u32>
where
    S: Service<Request<tonic::body::Body>, Response = Response<B>, Error = Infallible>,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let response = async {
        match poll_fn(|cx| service.poll_ready(cx)).await {
            Ok(()) => service.call(request).await,
        }
    };
    let mut response = pin!(response);
    let response = poll_fn(|cx| match response.as_mut().poll(cx) {
        Poll::Ready(Ok(response)) => Poll::Ready(Some(response)),
        Poll::Pending => respond.poll_reset(cx).map(|_reason| None),
    });
    let Some(response) = response.await else { return Some(1) };
    let (head, body) = response.into_parts();
    let is_whole = body.is_end_stream();
    match respond.send_response(Response::from_parts(head, ()), is_whole) {
        Ok(_) if is_whole => None,
        Ok(stream) => match SendBody::new(Box::pin(body), stream).await {
            Sent::Finished => None,
            Sent::Cancelled { unread } => Some(if unread { UNREAD_CANCEL_WEIGHT } else { 1 }),
        },
        // The client has cancelled the call, the head contains something that HTTP/2 cannot carry,
        // or the connection is over.
        Err(_) => {
            let reset = poll_fn(|cx| Poll::Ready(respond.poll_reset(cx).is_ready())).await;
            respond.send_reset(Reason::INTERNAL_ERROR);
            reset.then_some(1)
        }
    }
}

/// The body of a request, with errors that tonic recognizes.
#[derive(Debug)]
struct RequestBody(http2::Incoming);

impl Body for RequestBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx).map_err(|error| match error {
            CallError::Http2(error) => error.into(),
            CallError::Ended(_) | CallError::Lost => h2::Error::from(Reason::CANCEL).into(),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }
}

impl<S> fmt::Debug for Serve<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("config", &self.config).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn calls_may_be_cancelled_without_end_at_the_rate_of_a_service() {
        let mut cancelled = CancelCounter::new(1_000);
        for _ in 0..100_000 {
            assert_eq!(cancelled.count(1), CancelRate::Acceptable);
            tokio::time::advance(Duration::from_millis(2)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_burst_of_cancelled_calls_has_two_limits() {
        let mut cancelled = CancelCounter::new(1_000);
        let rates: Vec<_> = (0..2_002).map(|_| cancelled.count(1)).collect();
        assert_eq!(rates[..1_000], [CancelRate::Acceptable; 1_000]);
        assert_eq!(rates[1_000..2_001], [CancelRate::High; 1_001]);
        assert_eq!(rates[2_001], CancelRate::Excessive);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(cancelled.count(1), CancelRate::Acceptable);
    }
}
