//! gRPC served on the connections of WebSockets.

use std::convert::Infallible;
use std::fmt;
use std::future::{Future, IntoFuture, pending, poll_fn};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use futures_core::Stream;
use h2::server::{self, SendResponse};
use h2::{Reason, RecvStream};
use http::{Extensions, Request, Response};
use http_body::{Body, Frame};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tonic::transport::server::Connected;
use tower_service::Service;

use crate::clock::BoxFuture;
use crate::http2::{self, Intake, Intakes, Pipe};
use crate::server::MAX_PENDING_ACCEPT_RESETS;
use crate::{CallError, Connection, Incoming};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What `serve` of the program takes by default. Other calls wait at the client.
const DEFAULT_MAX_CALLS: u32 = 100;

/// A quarter of what hyper's server takes, so that a connection whose streams nobody reads holds 25 MiB at most.
const DEFAULT_STREAM_WINDOW: u32 = 256 * 1024;

/// As [`Endpoint::max_header_list_size`](crate::Endpoint::max_header_list_size).
const DEFAULT_MAX_HEADER_LIST_SIZE: u32 = 64 * 1024;

/// The longest window of HTTP/2 (RFC 9113 section 6.9.1).
const MAX_WINDOW: u32 = (1 << 31) - 1;

/// Serves gRPC on the connections of [`incoming`](crate::incoming()): a service of tonic, or many of them as
/// [`Routes`](tonic::service::Routes).
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// # let (greeter, trial) = sockeye_grpc_testing::service::services();
/// use tonic::service::Routes;
///
/// let (incoming, accept) = sockeye_grpc::incoming();
/// let websockets = sockeye::Server::bind("127.0.0.1:8080").await?;
/// tokio::spawn(websockets.serve(move |ws| accept.give(ws)));
/// sockeye_grpc::serve(incoming, Routes::new(greeter).add_service(trial)).await;
/// # Ok(())
/// # }
/// ```
///
/// A server of tonic takes the same connections; this one differs from it in three things:
///
/// * **A client whose calls are read slowly waits, however short its messages are.** HTTP/2 as tonic has it ends a
///   connection, with all calls on it, when some thousand short messages of a stream are unread: see [`server`](crate::server).
/// * **What the opening handshake admitted reaches the handlers.** Each value of
///   [`Admission::data`](sockeye::upgrade::Admission::data), and whatever else [`WebSocket::data`](sockeye::WebSocket::data)
///   finds, is in the extensions of each request, beside the `TcpConnectInfo` that `tonic::Request::remote_addr` looks for.
/// * Layers of tower are put around the service by the program, and TLS inside the WebSocket is for tonic's server.
pub fn serve<S>(incoming: Incoming, service: S) -> Serve<S> {
    Serve { incoming, service, config: ServeConfig::new(), shutdown: Box::pin(pending()) }
}

/// Limits of [`serve`] and [`serve_connection`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServeConfig {
    max_calls: u32,
    stream_window: u32,
    max_header_list_size: u32,
}

impl ServeConfig {
    /// The defaults.
    pub const fn new() -> Self {
        Self {
            max_calls: DEFAULT_MAX_CALLS,
            stream_window: DEFAULT_STREAM_WINDOW,
            max_header_list_size: DEFAULT_MAX_HEADER_LIST_SIZE,
        }
    }

    /// Sets how many calls of one connection may be under way. Others wait at the client. Default: 100.
    pub const fn max_calls(self, calls: u32) -> Self {
        Self { max_calls: calls, ..self }
    }

    /// Sets how many bytes of one call's requests may be under way or unread; at most 2³¹ − 1. Default: 256 KiB.
    ///
    /// A call never takes the room of another: a connection holds at most this for each of
    /// [`max_calls`](Self::max_calls).
    pub const fn stream_window(self, bytes: u32) -> Self {
        Self { stream_window: bytes, ..self }
    }

    /// Sets the longest list of headers that a request may have, in bytes as RFC 9113 section 6.5.2 counts them. A request
    /// with more is answered with 431. Default: 64 KiB.
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

/// A server that [`serve`] makes, and that runs when it is awaited. It ends when there are no more connections to come, and
/// all calls have ended.
pub struct Serve<S> {
    incoming: Incoming,
    service: S,
    config: ServeConfig,
    shutdown: BoxFuture<()>,
}

impl<S> Serve<S> {
    /// Sets limits other than the defaults.
    pub fn config(self, config: ServeConfig) -> Self {
        Self { config, ..self }
    }

    /// Stops when `signal` is ready: takes no more connections and no more calls, and ends each connection when its last
    /// call has ended.
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
                    // An error says that the server is gone, which ends this task as well.
                    let _ = stopping.wait_for(|stopping| *stopping).await;
                };
                // Its calls have been told.
                let _ended = serve_connection(connection, service, &config, shutdown).await;
            });
        }
        while let Poll::Ready(Some(_)) = connections.poll_join_next(cx) {}
        if incoming.is_none() && connections.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
}

/// Serves gRPC on one connection, as [`serve`] does, until the client ends it, or until `shutdown` is ready and the calls
/// under way have ended.
///
/// # Errors
/// The client broke the rules of HTTP/2, or the WebSocket failed.
///
/// # Cancel safety
/// If it is dropped, the connection and its calls are cut.
pub async fn serve_connection<S, B>(
    connection: Connection,
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
    let mut shutdown = pin!(shutdown);
    let mut handshake = pin!(config.http2().handshake(connection));
    let handshake = poll_fn(|cx| match handshake.as_mut().poll(cx) {
        Poll::Ready(connection) => Poll::Ready(Some(connection)),
        Poll::Pending => shutdown.as_mut().poll(cx).map(|()| None),
    });
    let Some(connection) = handshake.await.transpose()? else { return Ok(()) };
    let mut driver =
        Driver { connection, intakes: Intakes::new(), service, extensions, is_stopping: false };
    poll_fn(|cx| {
        if !driver.is_stopping && shutdown.as_mut().poll(cx).is_ready() {
            driver.is_stopping = true;
            driver.connection.graceful_shutdown();
        }
        driver.poll(cx)
    })
    .await
}

/// Moves a connection and all that arrives on it, until it is over.
struct Driver<S> {
    connection: server::Connection<Connection, Bytes>,
    intakes: Intakes<Intake>,
    service: S,
    /// Of every request.
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
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let ended = self.poll_calls(cx);
        // What ended the connection is told to each call that was under way.
        http2::poll_all(&mut self.intakes, cx);
        ended
    }

    fn poll_calls(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        while let Some(call) = ready!(self.connection.poll_accept(cx)) {
            let (request, respond) = call?;
            let request = self.receive(request);
            tokio::spawn(answer(request, respond, self.service.clone()));
        }
        Poll::Ready(Ok(()))
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

/// Answers a call, until the client cancels it.
async fn answer<S, B>(
    request: Request<tonic::body::Body>,
    mut respond: SendResponse<Bytes>,
    mut service: S,
) where
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
    let Some(response) = response.await else { return };
    let (head, body) = response.into_parts();
    let is_whole = body.is_end_stream();
    match respond.send_response(Response::from_parts(head, ()), is_whole) {
        Ok(_) if is_whole => {}
        Ok(stream) => Pipe::new(Box::pin(body), stream).await,
        // The head has what HTTP/2 cannot carry, or the connection is over.
        Err(_) => respond.send_reset(Reason::INTERNAL_ERROR),
    }
}

/// A request's body, whose errors tonic understands.
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
