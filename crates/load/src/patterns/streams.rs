//! Echo in a closed loop over HTTP/2: each stream is a WebSocket, opened by an extended CONNECT
//! (RFC 8441).
//!
//! The loop is built on tokio and h2 and therefore costs more than the one over HTTP/1.1. It uses
//! HTTP/2 with prior knowledge (RFC 9113 section 3.3).

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, RecvStream, SendStream};
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_VERSION};
use http::uri::InvalidUri;
use http::{HeaderValue, Method, Request, StatusCode, Version};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{sleep, timeout};

use crate::error::LoadError;
use crate::exchange::Exchange;
use crate::handshake::check_extensions;
use crate::limits::REPLY_TIMEOUT;
use crate::load::Load;
use crate::measurement::PhasedRun;
use crate::message_cycle::MessageCycle;
use crate::progress::ProgressReporter;
use crate::report::LoadReport;
use crate::send_times::SendTimes;

/// Flow-control windows, in bytes: the amount that a server may send on a stream, and on a
/// connection, before the client reads. Chromium's values.
const STREAM_WINDOW: u32 = 6 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 15 * 1024 * 1024;

/// Interval at which the run checks the time.
const TICK: Duration = Duration::from_millis(20);

impl Load {
    /// Opens connections of HTTP/2 with prior knowledge (RFC 9113 section 3.3), and on each of them
    /// this number of streams, each a WebSocket opened by extended CONNECT (RFC 8441). By default,
    /// each connection is a WebSocket over HTTP/1.1.
    ///
    /// For [`TrafficPattern::Echo`](crate::TrafficPattern::Echo) without TLS only. HTTP/2 costs the
    /// client more processor time per message than HTTP/1.1 does.
    pub fn streams(mut self, streams: usize) -> Self {
        self.streams = Some(streams);
        self
    }
}

/// Runs the echo load on all streams of all connections.
pub(super) fn run(
    load: &Load,
    streams: usize,
    progress: &mut ProgressReporter<'_>,
) -> Result<LoadReport, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(echo(load, streams, progress))
}

async fn echo(
    load: &Load,
    streams: usize,
    progress: &mut ProgressReporter<'_>,
) -> Result<LoadReport, LoadError> {
    let cycle = Arc::new(MessageCycle::prepare(load, load.in_flight));
    let mut opened = Vec::with_capacity(load.connections * streams);
    for index in 0..load.connections {
        let connected = within_timeout(connect(load)).await;
        let mut connection = connected.map_err(|error| error.on(index))?;
        for _ in 0..streams {
            let halves = within_timeout(open(load, &mut connection)).await;
            opened.push((index, halves.map_err(|error| error.on(index))?));
        }
        progress.update_opening(index + 1);
    }
    let run = Arc::new(Mutex::new(PhasedRun::begin(load)?));
    let mut echoes = JoinSet::new();
    for (first, (index, (send, receive))) in (0..).zip(opened) {
        // Streams start at different messages, so that neighbours do not send the same at the same
        // time.
        let exchange = Exchange::new(load, &cycle, first);
        let send_times = SendTimes::new(load.in_flight);
        let mut stream = EchoStream { send, receive, exchange, send_times };
        stream.exchange.queue(&cycle, load.in_flight as u64);
        let (cycle, run) = (Arc::clone(&cycle), Arc::clone(&run));
        echoes.spawn(unconstrained(async move {
            poll_fn(|cx| stream.poll_echo(cx, &cycle, &run)).await.map_err(|error| error.on(index))
        }));
    }
    loop {
        tokio::select! {
            () = sleep(TICK) => {}
            // The echo tasks end only by failing.
            Some(Ok(ended)) = echoes.join_next() => {
                return Err(ended.err().unwrap_or(LoadError::Closed));
            }
        }
        let now = Instant::now();
        let mut run = lock(&run);
        progress.update(now, || run.progress(load.connections, now));
        if run.advance(now, true)? {
            return run.finish();
        }
    }
}

async fn within_timeout<T>(
    step: impl Future<Output = Result<T, LoadError>>,
) -> Result<T, LoadError> {
    timeout(REPLY_TIMEOUT, step).await.unwrap_or(Err(LoadError::ReplyTimeout))
}

fn lock(run: &Mutex<PhasedRun>) -> MutexGuard<'_, PhasedRun> {
    // All tasks run on one thread; a panic of another task concerns only that task.
    run.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(load: &Load) -> Result<SendRequest<Bytes>, LoadError> {
    let tcp = TcpStream::connect(load.address).await?;
    tcp.set_nodelay(true)?;
    let (requests, mut connection) = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(tcp)
        .await
        .map_err(http2_error)?;
    let ping = connection.ping_pong();
    // An error of the connection appears on each of its streams.
    tokio::spawn(unconstrained(async move { drop(connection.await) }));
    // The server sends its settings first, so they are known once a ping is answered (RFC 9113
    // section 3.4).
    if let Some(mut ping) = ping {
        ping.ping(Ping::opaque()).await.map_err(http2_error)?;
    }
    if requests.is_extended_connect_protocol_enabled() {
        Ok(requests)
    } else {
        Err(LoadError::NoExtendedConnect)
    }
}

async fn open(
    load: &Load,
    connection: &mut SendRequest<Bytes>,
) -> Result<(SendStream<Bytes>, RecvStream), LoadError> {
    let mut request = Request::new(());
    *request.method_mut() = Method::CONNECT;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = format!("http://{}{}", load.host, load.path)
        .parse()
        .map_err(|error: InvalidUri| LoadError::Http2(error.into()))?;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let headers = request.headers_mut();
    headers.insert(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13"));
    if let Some(deflate) = load.deflate {
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, HeaderValue::from_static(deflate.offer()));
    }
    poll_fn(|cx| connection.poll_ready(cx)).await.map_err(http2_error)?;
    let (answer, send) = connection.send_request(request, false).map_err(http2_error)?;
    let (head, receive) = answer.await.map_err(http2_error)?.into_parts();
    if head.status != StatusCode::OK {
        return Err(LoadError::HandshakeRefused { status: Some(head.status.as_u16()) });
    }
    let answer = head.headers.get(SEC_WEBSOCKET_EXTENSIONS);
    let answer = answer.map_or(&[][..], |value| value.as_bytes());
    check_extensions(&String::from_utf8_lossy(answer), load.deflate)?;
    Ok((send, receive))
}

fn http2_error(error: h2::Error) -> LoadError {
    LoadError::Http2(error.into())
}

/// One WebSocket, or the raw stream in its place on a bare server.
struct EchoStream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    exchange: Exchange,
    send_times: SendTimes,
}

impl EchoStream {
    /// Receives all available data and sends what is queued in response, until an error.
    fn poll_echo(
        &mut self,
        cx: &mut Context<'_>,
        cycle: &MessageCycle,
        run: &Mutex<PhasedRun>,
    ) -> Poll<Result<(), LoadError>> {
        while let Poll::Ready(data) = self.receive.poll_data(cx) {
            let data = data.ok_or(LoadError::Closed)?.map_err(http2_error)?;
            self.receive.flow_control().release_capacity(data.len()).map_err(http2_error)?;
            let replies = self.exchange.receive(cycle, &data)?;
            if replies > 0 {
                self.send_times.replace(replies, Instant::now(), &mut lock(run));
                self.exchange.queue(cycle, replies);
            }
        }
        self.poll_send(cx, cycle)
    }

    fn poll_send(
        &mut self,
        cx: &mut Context<'_>,
        cycle: &MessageCycle,
    ) -> Poll<Result<(), LoadError>> {
        loop {
            let unsent = self.exchange.unsent(cycle);
            if unsent.is_empty() {
                return Poll::Pending;
            }
            self.send.reserve_capacity(unsent.len());
            while self.send.capacity() == 0 {
                let capacity = ready!(self.send.poll_capacity(cx)).ok_or(LoadError::Closed)?;
                capacity.map_err(http2_error)?;
            }
            let size = unsent.len().min(self.send.capacity());
            let data = Bytes::copy_from_slice(&unsent[..size]);
            self.send.send_data(data, false).map_err(http2_error)?;
            self.exchange.advance(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::WireProtocol;
    use h2::server;
    use http::Response;
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    /// Starts an echo server with h2 on a thread, for one connection; `corrupt` may change the
    /// bytes.
    fn serve(builder: server::Builder, corrupt: fn(&mut [u8])) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        thread::spawn(move || {
            let (stream, _) = listener.accept().unwrap();
            stream.set_nonblocking(true).unwrap();
            runtime.block_on(async move {
                let stream = TcpStream::from_std(stream).unwrap();
                let mut connection = builder.handshake::<_, Bytes>(stream).await.unwrap();
                while let Some(Ok((request, mut answer))) = connection.accept().await {
                    let send = answer.send_response(Response::new(()), false).unwrap();
                    tokio::spawn(echo(request.into_body(), send, corrupt));
                }
            });
        });
        address
    }

    async fn echo(mut receive: RecvStream, mut send: SendStream<Bytes>, corrupt: fn(&mut [u8])) {
        while let Some(Ok(data)) = receive.data().await {
            let mut data = data.to_vec();
            corrupt(&mut data);
            receive.flow_control().release_capacity(data.len()).unwrap();
            if send.send_data(data.into(), false).is_err() {
                return;
            }
        }
    }

    fn websocket_builder() -> server::Builder {
        let mut builder = server::Builder::new();
        builder.enable_connect_protocol();
        builder
    }

    fn run(address: SocketAddr) -> Result<LoadReport, LoadError> {
        Load::new(address)
            .protocol(WireProtocol::Raw)
            .length(1000)
            .connections(1)
            .streams(3)
            .in_flight(2)
            .warm_up(Duration::from_millis(5))
            .duration(Duration::from_millis(50))
            .run()
    }

    fn failure(address: SocketAddr) -> LoadError {
        match run(address).unwrap_err() {
            LoadError::Connection { index: 0, error } => *error,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn echoes_on_streams_are_counted() {
        let report = run(serve(websocket_builder(), |_| {})).unwrap();
        assert!(report.messages > 0 && report.latency.is_some());
    }

    #[test]
    fn one_wrong_byte_on_a_stream_ends_the_run() {
        let error = failure(serve(websocket_builder(), |bytes| bytes[0] ^= 1));
        assert!(matches!(error, LoadError::WrongByte { offset: 0, .. }), "{error:?}");
    }

    #[test]
    fn a_server_that_allows_no_websockets_is_recognised() {
        let error = failure(serve(server::Builder::new(), |_| {}));
        assert!(matches!(error, LoadError::NoExtendedConnect), "{error:?}");
    }
}
