//! Upstreams, clients and gateways of the tests.

pub(crate) mod raw_upstream;

use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body::{Body as _, Frame};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use sockeye::upgrade::PeerAddr;
use sockeye_gateway::Gateway;
use sockeye_gateway::upstream::{Upstream, UpstreamConfig};
use sockeye_gateway_testing::Server;
use sockeye_gateway_testing::proto::EchoMessage;
use sockeye_gateway_testing::proto::echo_client::EchoClient;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{sleep, timeout};

/// Longer than any step of a test takes, and the time after which a test fails.
pub(crate) const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn config(url: &str) -> UpstreamConfig {
    UpstreamConfig::new(url.parse().unwrap())
}

pub(crate) fn upstream(url: &str) -> Upstream {
    Upstream::new(config(url)).unwrap()
}

pub(crate) fn client(upstream: &Upstream) -> EchoClient<Upstream> {
    EchoClient::new(upstream.clone())
}

pub(crate) fn message(text: &str) -> EchoMessage {
    EchoMessage { text: text.to_owned(), ..EchoMessage::default() }
}

/// Waits until a count has this value.
pub(crate) async fn wait_for(mut count: watch::Receiver<usize>, value: usize) {
    let reached = timeout(LIMIT, count.wait_for(|count| *count == value)).await;
    reached.expect("the count is reached in time").unwrap();
}

/// A gateway on a port of its own, for HTTP/1.1 and HTTP/2 without TLS, until it is dropped.
pub(crate) struct ServedGateway {
    pub(crate) inner: Gateway,
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl ServedGateway {
    /// Serves a gateway with default settings in front of this server, once it knows its services.
    pub(crate) async fn before(server: &Server) -> Self {
        Self::start(Gateway::builder().upstream(upstream(&server.url())).build()).await
    }

    pub(crate) async fn start(gateway: Gateway) -> Self {
        timeout(LIMIT, gateway.ready()).await.unwrap().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let served = gateway.clone();
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, peer)) = listener.accept().await {
                let gateway = served.clone();
                let service = service_fn(move |mut request: Request<Incoming>| {
                    request.extensions_mut().insert(PeerAddr(peer));
                    let gateway = gateway.clone();
                    async move { Ok::<_, Infallible>(gateway.handle(request).await) }
                });
                connections.spawn(async move {
                    let mut builder = auto::Builder::new(TokioExecutor::new());
                    builder.http2().enable_connect_protocol();
                    let io = TokioIo::new(stream);
                    let _ = builder.serve_connection_with_upgrades(io, service).await;
                });
            }
        });
        Self { inner: gateway, address, task }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Waits until no call is in progress.
    pub(crate) async fn idle(&self) {
        let idle = async {
            while self.inner.calls_in_progress() > 0 {
                sleep(Duration::from_millis(5)).await;
            }
        };
        timeout(LIMIT, idle).await.expect("all calls end");
    }

    /// Sends a request over HTTP/1.1, and returns the response with its body as it arrives.
    pub(crate) async fn send<B>(&self, request: Request<B>) -> Response<Incoming>
    where
        B: http_body::Body<Data: Send, Error: Into<sockeye_gateway::BoxError>> + Send + 'static,
    {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let (mut head, body) = request.into_parts();
        head.headers.entry("host").or_insert("gateway.test".parse().unwrap());
        let request = Request::from_parts(head, body);
        timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap()
    }

    /// Sends a request over HTTP/1.1, and returns the status, the headers and the whole body.
    pub(crate) async fn fetch<B>(&self, request: Request<B>) -> Fetched
    where
        B: http_body::Body<Data: Send, Error: Into<sockeye_gateway::BoxError>> + Send + 'static,
    {
        let (head, mut body) = self.send(request).await.into_parts();
        let mut bytes = Vec::new();
        while let Some(data) = timeout(LIMIT, next_data(&mut body)).await.unwrap() {
            bytes.extend_from_slice(&data);
        }
        Fetched { status: head.status.as_u16(), headers: head.headers, body: bytes }
    }

    pub(crate) async fn get(&self, path: &str) -> Fetched {
        self.fetch(Request::get(path).body(String::new()).unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &str) -> Fetched {
        let request = Request::post(path).header("content-type", "application/json");
        self.fetch(request.body(body.to_owned()).unwrap()).await
    }
}

impl Drop for ServedGateway {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A request body in pieces, which may not end.
pub(crate) struct Pieces {
    pieces: VecDeque<Bytes>,
    is_endless: bool,
}

impl Pieces {
    pub(crate) fn new<P: Into<Bytes>>(pieces: impl IntoIterator<Item = P>) -> Self {
        Self { pieces: pieces.into_iter().map(Into::into).collect(), is_endless: false }
    }

    /// Never ends the body.
    pub(crate) fn endless(self) -> Self {
        Self { is_endless: true, ..self }
    }
}

impl http_body::Body for Pieces {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match self.pieces.pop_front() {
            Some(piece) => Poll::Ready(Some(Ok(Frame::data(piece)))),
            None if self.is_endless => Poll::Pending,
            None => Poll::Ready(None),
        }
    }
}

/// A response of HTTP.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Fetched {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {self:?}"))
    }
}

/// Returns the next frame of a body.
pub(crate) async fn next_frame(body: &mut Incoming) -> Option<Result<Frame<Bytes>, hyper::Error>> {
    let frame = timeout(LIMIT, poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)));
    frame.await.expect("the frame comes in time")
}

/// Returns the next piece of a body.
pub(crate) async fn next_data(body: &mut Incoming) -> Option<Bytes> {
    loop {
        let frame = poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await?.unwrap();
        if let Ok(data) = frame.into_data() {
            return Some(data);
        }
    }
}
