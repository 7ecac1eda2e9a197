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
use tokio::sync::{mpsc, oneshot};

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
    life: Arc<Life>,
}

/// A call that failed before its response.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: CallError,
    /// The request, if it has not left this program.
    pub(crate) unsent: Option<Request<RequestBody>>,
}

/// The state of a connection that its driver and its senders share.
#[derive(Debug, Default)]
struct Life {
    /// Set when the server accepts no more calls.
    is_closing: AtomicBool,
    has_answered: AtomicBool,
    heard: AtomicBool,
    ended: OnceLock<Instant>,
    end: End,
}

impl Sender {
    /// Returns whether the connection accepts no more calls.
    pub(crate) fn is_closed(&self) -> bool {
        self.life.is_closing.load(Ordering::Relaxed) || self.calls.is_closed()
    }

    /// Returns when the connection ended, if it ended before the server had answered any call.
    pub(crate) fn ended_unused(&self) -> Option<Instant> {
        let is_unused = !self.life.has_answered.load(Ordering::Relaxed);
        self.life.ended.get().copied().filter(|_| is_unused)
    }

    /// Sends a request, and waits for the head of the response.
    ///
    /// # Cancel safety
    /// Dropping the future cancels the call.
    pub(crate) async fn send(
        &mut self,
        request: Request<RequestBody>,
    ) -> Result<Response<Incoming>, Failure> {
        if let Err(error) = poll_fn(|cx| self.requests.poll_ready(cx)).await {
            self.life.is_closing.store(true, Ordering::Relaxed);
            return Err(Failure { cause: CallError::Http2(error), unsent: Some(request) });
        }
        let (head, body) = request.into_parts();
        let is_whole = body.is_end_stream();
        let sent = self.requests.send_request(Request::from_parts(head, ()), is_whole);
        let (response, stream) = sent.map_err(CallError::Http2)?;
        let (answer, answered) = oneshot::channel();
        // Without a driver the other end is gone, and the wait ends at once.
        let _ = self.calls.send(Answer::new(response, answer, Arc::clone(&self.life)));
        if !is_whole {
            let mut pipe = SendBody::new(body, stream);
            // Most requests have one message, and need no task of their own.
            let first = poll_fn(|cx| Poll::Ready(Pin::new(&mut pipe).poll(cx))).await;
            if first.is_pending() {
                clock::spawn(async {
                    let _ = pipe.await;
                });
            }
        }
        Ok(answered.await.unwrap_or(Err(CallError::Lost))?)
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
    let life = Arc::new(Life::default());
    let (heard, first) = oneshot::channel();
    let stream = ReadObserver {
        inner: WriteCoalescer::new(transport),
        first: Some(heard),
        life: Arc::clone(&life),
    };
    let (requests, connection) = http2.handshake(stream).await.map_err(ConnectError::Http2)?;
    let (calls, answers) = mpsc::unbounded_channel();
    let mut driver = Driver {
        connection,
        answers,
        under_way: Intakes::new(),
        probe: keepalive.map(Probe::new),
        life: Arc::clone(&life),
    };
    let mut first = pin!(first);
    poll_fn(|cx| match driver.poll_connection(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(ConnectError::Closed)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(ConnectError::Http2(error))),
        Poll::Pending => first.as_mut().poll(cx).map_err(|_| ConnectError::Closed),
    })
    .await?;
    clock::spawn(driver);
    Ok(Sender { requests, calls, life })
}

type Connection = client::Connection<ReadObserver<WriteCoalescer<Transport>>, Bytes>;

/// The driver of a connection and its response bodies, until the connection is over.
struct Driver {
    connection: Connection,
    answers: mpsc::UnboundedReceiver<Answer>,
    under_way: Intakes<Answer>,
    probe: Option<Probe>,
    life: Arc<Life>,
}

impl Driver {
    fn poll_connection(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        Pin::new(&mut self.connection).poll(cx)
    }

    fn poll_answers(&mut self, cx: &mut Context<'_>) {
        while let Poll::Ready(Some(answer)) = self.answers.poll_recv(cx) {
            self.under_way.push(answer);
        }
        http2::poll_all(&mut self.under_way, cx);
    }

    /// Returns ready when the server does not answer the keepalive probe.
    fn poll_probe(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(probe) = &mut self.probe else { return Poll::Pending };
        probe.poll(cx, &mut self.connection, &self.life.heard, !self.under_way.is_empty())
    }
}

impl Future for Driver {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let ended = self.poll_connection(cx).map_err(|error| {
            let _ = self.life.end.set(Arc::new(error));
        });
        // Afterwards, so that calls in progress receive the error that ended the connection.
        self.poll_answers(cx);
        if ended.is_pending() {
            ready!(self.poll_probe(cx));
        }
        let _ = self.life.ended.set(clock::now());
        Poll::Ready(())
    }
}

/// A call that waits for its response, and then for the body of the response.
#[derive(Debug)]
enum Answer {
    Head { response: client::ResponseFuture, call: Option<Call>, life: Arc<Life> },
    Body(BodyReceiver),
}

type Call = oneshot::Sender<Result<Response<Incoming>, CallError>>;

impl Answer {
    fn new(response: client::ResponseFuture, call: Call, life: Arc<Life>) -> Self {
        Self::Head { response, call: Some(call), life }
    }
}

impl Future for Answer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let Self::Head { response, call, life } = &mut *self {
            // A call whose caller is gone is reset when this is dropped.
            if call.as_mut().is_none_or(|call| call.poll_closed(cx).is_ready()) {
                return Poll::Ready(());
            }
            let head = ready!(Pin::new(response).poll(cx));
            life.has_answered.fetch_or(head.is_ok(), Ordering::Relaxed);
            let (answer, intake) = match head {
                Ok(response) => {
                    let (head, stream) = response.into_parts();
                    let (intake, incoming) = http2::accept(stream, Arc::clone(&life.end));
                    (Ok(Response::from_parts(head, incoming)), Some(intake))
                }
                Err(error) => (Err(CallError::of_stream(error, &life.end)), None),
            };
            let is_taken = call.take().is_some_and(|call| call.send(answer).is_ok());
            let Some(intake) = intake.filter(|_| is_taken) else { return Poll::Ready(()) };
            *self = Self::Body(intake);
        }
        match &mut *self {
            Self::Head { .. } => Poll::Ready(()),
            Self::Body(intake) => Pin::new(intake).poll(cx),
        }
    }
}

/// A byte stream that records when bytes were read.
struct ReadObserver<S> {
    inner: S,
    first: Option<oneshot::Sender<()>>,
    life: Arc<Life>,
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
            this.life.heard.store(true, Ordering::Relaxed);
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
