//! A client connection of HTTP/2 over a byte stream, and the calls on it.

use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::client;
use http::{Request, Response};
use http_body::Body;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use crate::body::RequestBody;
use crate::clock::{self, Instant, MaybeSend};
use crate::gather::WriteCoalescer;
use crate::http2::{self, BodyReceiver, End, Incoming, Intakes, SendBody};
use crate::keepalive::{Keepalive, Probe};
use crate::{CallError, ConnectError};

pub(crate) type Transport = Box<dyn ByteStream>;

pub(crate) trait ByteStream: AsyncRead + AsyncWrite + Unpin + MaybeSend {}

impl<S: AsyncRead + AsyncWrite + Unpin + MaybeSend> ByteStream for S {}

/// A handle that sends calls on a connection. The connection ends when the last of its senders is
/// dropped and no call is in progress.
#[derive(Clone, Debug)]
pub(crate) struct Sender {
    requests: client::SendRequest<Bytes>,
    /// Queue to the driver. At most the calls sent within one turn wait in it.
    calls: mpsc::UnboundedSender<Answer>,
    shared: Arc<Shared>,
}

/// A call that failed before its response.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: CallError,
    /// The request, if it has not left this program.
    pub(crate) unsent: Option<Request<RequestBody>>,
}

/// The state of a connection that its driver and its senders share.
#[derive(Debug)]
struct Shared {
    /// One permit for each call that the server allows at a time. Closed when the connection
    /// accepts no more calls.
    ///
    /// A call without a permit waits here and not in h2, since h2 would keep it on a connection
    /// that the server ends, until the call fails.
    permits: Arc<Semaphore>,
    /// Notified after a turn of the driver that ended with no permit left: one of the calls that
    /// wait for a permit then asks h2 whether the server has ended the connection.
    turn: Notify,
    has_answered: AtomicBool,
    has_received: AtomicBool,
    ended: OnceLock<Instant>,
    end: End,
}

impl Shared {
    fn new() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(0)),
            turn: Notify::new(),
            has_answered: AtomicBool::new(false),
            has_received: AtomicBool::new(false),
            ended: OnceLock::new(),
            end: End::default(),
        }
    }
}

impl Sender {
    /// Returns whether the connection accepts no more calls.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.permits.is_closed()
    }

    /// Returns when the connection ended, if it ended before the server had answered any call.
    pub(crate) fn ended_unused(&self) -> Option<Instant> {
        let is_unused = !self.shared.has_answered.load(Ordering::Relaxed);
        self.shared.ended.get().copied().filter(|_| is_unused)
    }

    /// Sends a request, and waits for the head of the response.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Failure> {
        let permit = match self.permit().await {
            Ok(permit) => permit,
            Err(cause) => return Err(Failure { cause, unsent: Some(request) }),
        };
        let (head, body) = request.into_parts();
        let is_whole = body.is_end_stream();
        let sent = self.requests.send_request(Request::from_parts(head, ()), is_whole);
        let (response, stream) = sent.map_err(CallError::Http2)?;
        let (answer, answered) = oneshot::channel();
        // Without a driver the other end is gone, and the wait ends at once.
        let _ = self.calls.send(Answer::new(response, answer, Arc::clone(&self.shared), permit));
        if !is_whole {
            let mut pipe = SendBody::on_new_stream(body, stream);
            // Most requests have one message, and need no task of their own.
            let first = poll_fn(|cx| Poll::Ready(pipe.poll_unless_cancelled(cx))).await;
            if first.is_pending() {
                clock::spawn(async move {
                    let _ = poll_fn(|cx| pipe.poll_unless_cancelled(cx)).await;
                });
            }
        }
        Ok(answered.await.unwrap_or(Err(CallError::Lost))?)
    }

    /// Waits until the server allows another call.
    ///
    /// # Errors
    /// Returns an error if the connection accepts no more calls.
    async fn permit(&mut self) -> Result<OwnedSemaphorePermit, CallError> {
        let Self { requests, shared, .. } = self;
        let mut permit = pin!(Arc::clone(&shared.permits).acquire_owned());
        loop {
            // Created before the question, so that a notification in between is not missed.
            let mut turn = pin!(shared.turn.notified());
            let permit = poll_fn(|cx| {
                if let Err(error) = ready!(requests.poll_ready(cx)) {
                    // The other calls that wait notice it.
                    shared.permits.close();
                    return Poll::Ready(Err(CallError::Http2(error)));
                }
                match permit.as_mut().poll(cx) {
                    Poll::Ready(permit) => Poll::Ready(permit.map(Some).or(Err(CallError::Lost))),
                    Poll::Pending => turn.as_mut().poll(cx).map(|()| Ok(None)),
                }
            });
            if let Some(permit) = permit.await? {
                return Ok(permit);
            }
        }
    }
}

impl From<CallError> for Failure {
    fn from(cause: CallError) -> Self {
        Self { cause, unsent: None }
    }
}

/// Opens a connection. The connection counts as open on the first bytes from the server, which
/// sends its settings unprompted: a WebSocket connected to something other than an HTTP/2 server is
/// not mistaken for a success.
pub(crate) async fn open(
    http2: &client::Builder,
    keepalive: Option<Keepalive>,
    transport: Transport,
) -> Result<Sender, ConnectError> {
    let shared = Arc::new(Shared::new());
    let (first, received) = oneshot::channel();
    let stream = ReadObserver {
        inner: WriteCoalescer::new(transport),
        first: Some(first),
        shared: Arc::clone(&shared),
    };
    let (requests, connection) = http2.handshake(stream).await.map_err(ConnectError::Http2)?;
    let (calls, answers) = mpsc::unbounded_channel();
    let mut driver = Driver {
        connection,
        answers,
        in_progress: Intakes::new(),
        probe: keepalive.map(Probe::new),
        max_calls: 0,
        shared: Arc::clone(&shared),
    };
    let mut received = pin!(received);
    poll_fn(|cx| match driver.poll_connection(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(ConnectError::Closed)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(ConnectError::Http2(error))),
        Poll::Pending => received.as_mut().poll(cx).map_err(|_| ConnectError::Closed),
    })
    .await?;
    clock::spawn(driver);
    Ok(Sender { requests, calls, shared })
}

type Connection = client::Connection<ReadObserver<WriteCoalescer<Transport>>, Bytes>;

/// The driver of a connection and its response bodies, until the connection ends.
struct Driver {
    connection: Connection,
    answers: mpsc::UnboundedReceiver<Answer>,
    in_progress: Intakes<Answer>,
    probe: Option<Probe>,
    /// Number of permits of [`Shared::permits`], whether held by calls or not.
    max_calls: usize,
    shared: Arc<Shared>,
}

impl Driver {
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        let polled = Pin::new(&mut self.connection).poll(cx);
        self.update_max_calls();
        polled
    }

    /// Adapts the permits to the server's limit, which its settings may change at any time. Where
    /// the limit has fallen, permits that calls hold are taken away after these calls.
    fn update_max_calls(&mut self) {
        let permits = &self.shared.permits;
        let limit = self.connection.max_concurrent_send_streams().min(Semaphore::MAX_PERMITS);
        if limit >= self.max_calls {
            permits.add_permits(limit - self.max_calls);
            self.max_calls = limit;
        } else {
            self.max_calls -= permits.forget_permits(self.max_calls - limit);
        }
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(answer)) = self.answers.poll_recv(cx) {
            self.in_progress.push(answer);
        }
        http2::poll_all(&mut self.in_progress, cx);
    }

    /// Returns ready when the server does not answer the keepalive probe.
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(probe) = &mut self.probe else { return Poll::Pending };
        probe.poll(
            cx,
            &mut self.connection,
            &self.shared.has_received,
            !self.in_progress.is_empty(),
        )
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = self.poll_connection(cx).map_err(|error| {
            let _ = self.shared.end.set(Arc::new(error));
        });
        // Afterwards, so that calls in progress receive the error that ended the connection.
        self.poll_answers(cx);
        if self.shared.permits.available_permits() == 0 {
            self.shared.turn.notify_one();
        }
        if ended.is_pending() {
            ready!(self.poll_probe(cx));
        }
        let _ = self.shared.ended.set(clock::now());
        Poll::Ready(())
    }
}

/// Calls that wait for a permit, or will, find that the connection accepts no more.
impl Drop for Driver {
    fn drop(&mut self) {
        self.shared.permits.close();
    }
}

/// A call that waits for its response, and then for the body of the response.
#[derive(Debug)]
struct Answer {
    awaited: Awaited,
    _permit: OwnedSemaphorePermit,
}

#[derive(Debug)]
enum Awaited {
    Head { response: client::ResponseFuture, call: Option<Call>, shared: Arc<Shared> },
    Body(BodyReceiver),
}

type Call = oneshot::Sender<Result<Response<Incoming>, CallError>>;

impl Answer {
    fn new(
        response: client::ResponseFuture,
        call: Call,
        shared: Arc<Shared>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let awaited = Awaited::Head { response, call: Some(call), shared };
        Self { awaited, _permit: permit }
    }
}

impl Future for Answer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let awaited = &mut self.awaited;
        if let Awaited::Head { response, call, shared } = awaited {
            // A call whose caller is gone is reset when this is dropped.
            if call.as_mut().is_none_or(|call| call.poll_closed(cx).is_ready()) {
                return Poll::Ready(());
            }
            let head = ready!(Pin::new(response).poll(cx));
            shared.has_answered.fetch_or(head.is_ok(), Ordering::Relaxed);
            let (answer, intake) = match head {
                Ok(response) => {
                    let (head, stream) = response.into_parts();
                    let (intake, incoming) = http2::accept(stream, Arc::clone(&shared.end));
                    (Ok(Response::from_parts(head, incoming)), Some(intake))
                }
                Err(error) => (Err(CallError::of_stream(error, &shared.end)), None),
            };
            let is_taken = call.take().is_some_and(|call| call.send(answer).is_ok());
            let Some(intake) = intake.filter(|_| is_taken) else { return Poll::Ready(()) };
            *awaited = Awaited::Body(intake);
        }
        match awaited {
            Awaited::Head { .. } => Poll::Ready(()),
            Awaited::Body(intake) => Pin::new(intake).poll(cx),
        }
    }
}

/// A byte stream that records when bytes were read.
struct ReadObserver<S> {
    inner: S,
    first: Option<oneshot::Sender<()>>,
    shared: Arc<Shared>,
}

impl<S: AsyncRead + Unpin> AsyncRead for ReadObserver<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        ready!(Pin::new(&mut this.inner).poll_read(cx, buffer))?;
        if buffer.filled().len() > before {
            this.shared.has_received.store(true, Ordering::Relaxed);
            if let Some(first) = this.first.take() {
                let _dropped = first.send(());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for ReadObserver<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().inner).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(cx)
    }
}
