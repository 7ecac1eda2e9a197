//! Echo in a closed loop over HTTP/2: each stream is a WebSocket, opened by an extended CONNECT
//! (RFC 8441).
//!
//! This driver is built on tokio and h2 and therefore costs more than the bare one over HTTP/1.1;
//! the race compares the server's time. The driver uses HTTP/2 with prior knowledge (RFC 9113
//! section 3.3).

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use bytes::Bytes;
use h2::client::{self, SendRequest};
use h2::ext::Protocol;
use h2::{Ping, RecvStream, SendStream};
use http::header::{SEC_WEBSOCKET_EXTENSIONS, SEC_WEBSOCKET_VERSION};
use http::{Method, Request, StatusCode, Version};
use tokio::net::TcpStream;
use tokio::task::{JoinSet, unconstrained};
use tokio::time::{sleep, timeout};

use crate::cycle::Cycle;
use crate::exchange::Exchange;
use crate::handshake::{HandshakeError, is_agreed};
use crate::in_flight::InFlight;
use crate::load::{Load, LoadError, STALL, WAIT};
use crate::report::{Counts, Report};

/// Flow-control windows, in bytes: the amount that a server may send on a stream, and on a
/// connection, before the driver reads. Chromium's values.
const STREAM_WINDOW: u32 = 6 * 1024 * 1024;
const CONNECTION_WINDOW: u32 = 15 * 1024 * 1024;

/// Runs the echo load on all streams of all connections.
pub(crate) fn run(load: &Load, streams: usize) -> Result<Report, LoadError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(drive(load, streams))
}

async fn drive(load: &Load, streams: usize) -> Result<Report, LoadError> {
    let cycle = Arc::new(load.cycle(load.in_flight));
    let mut opened = Vec::with_capacity(load.connections * streams);
    for index in 0..load.connections {
        let connection = timeout(STALL, connect(load)).await.map_err(|_| LoadError::Stalled);
        let mut connection = connection.flatten().map_err(|error| error.on(index))?;
        for _ in 0..streams {
            let open = timeout(STALL, open(load, &mut connection)).await;
            let halves = open.map_err(|_| LoadError::Stalled).flatten();
            opened.push((index, halves.map_err(|error| error.on(index))?));
        }
    }
    let seen = Arc::new(Mutex::new(Seen::begin(load)?));
    let mut echoes = JoinSet::new();
    for (first, (index, (send, receive))) in (0..).zip(opened) {
        // Streams start at different messages, so that neighbours do not send the same at the same
        // time.
        let exchange = load.exchange(&cycle, first);
        let in_flight = InFlight::new(load.in_flight);
        let mut stream = Stream { send, receive, exchange, in_flight };
        stream.exchange.queue(&cycle, load.in_flight as u64);
        let (cycle, seen) = (Arc::clone(&cycle), Arc::clone(&seen));
        echoes.spawn(unconstrained(async move {
            poll_fn(|cx| stream.poll_echo(cx, &cycle, &seen)).await.map_err(|error| error.on(index))
        }));
    }
    pass(load.warm_up, &seen, &mut echoes).await?;
    *lock(&seen) = Seen::begin(load)?;
    pass(load.duration, &seen, &mut echoes).await?;
    lock(&seen).counts.report(load)
}

/// Runs the streams for at least `time`, and until a reply has arrived.
async fn pass(
    time: Duration,
    seen: &Mutex<Seen>,
    echoes: &mut JoinSet<Result<(), LoadError>>,
) -> Result<(), LoadError> {
    let end = Instant::now() + time;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() && !lock(seen).counts.is_empty() {
            return Ok(());
        }
        tokio::select! {
            () = sleep(left.clamp(Duration::from_millis(1), WAIT)) => {}
            // The echo tasks end only by failing.
            Some(Ok(ended)) = echoes.join_next() => return ended.and(Err(LoadError::Closed)),
        }
        if lock(seen).last_reply.elapsed() > STALL {
            return Err(LoadError::Stalled);
        }
    }
}

/// The replies on all streams.
struct Seen {
    counts: Counts,
    last_reply: Instant,
}

impl Seen {
    fn begin(load: &Load) -> Result<Self, LoadError> {
        Ok(Self { counts: Counts::begin(load.server_pid)?, last_reply: Instant::now() })
    }
}

fn lock(seen: &Mutex<Seen>) -> MutexGuard<'_, Seen> {
    // All tasks run on one thread; a panic of another task concerns only that task.
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn connect(load: &Load) -> Result<SendRequest<Bytes>, LoadError> {
    let tcp = TcpStream::connect(load.address).await?;
    tcp.set_nodelay(true)?;
    let (requests, mut connection) = client::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .handshake(tcp)
        .await?;
    let ping = connection.ping_pong();
    // An error of the connection appears on each of its streams.
    tokio::spawn(unconstrained(async move { drop(connection.await) }));
    // The server sends its settings first, so they are known once a ping is answered (RFC 9113
    // section 3.4).
    if let Some(mut ping) = ping {
        ping.ping(Ping::opaque()).await?;
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
    *request.uri_mut() = format!("http://{}{}", load.address, load.path)
        .parse()
        .map_err(|_| std::io::Error::from(std::io::ErrorKind::InvalidInput))?;
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    let headers = request.headers_mut();
    headers.insert(SEC_WEBSOCKET_VERSION, http::HeaderValue::from_static("13"));
    if let Some(deflate) = load.deflate {
        let offer = http::HeaderValue::from_static(deflate.agreement());
        headers.insert(SEC_WEBSOCKET_EXTENSIONS, offer);
    }
    poll_fn(|cx| connection.poll_ready(cx)).await?;
    let (answer, send) = connection.send_request(request, false)?;
    let (head, receive) = answer.await?.into_parts();
    if head.status != StatusCode::OK {
        return Err(HandshakeError::Refused.into());
    }
    let answer = head.headers.get(SEC_WEBSOCKET_EXTENSIONS);
    let answer = answer.map_or(&[][..], |value| value.as_bytes());
    let answer = String::from_utf8_lossy(answer);
    if !is_agreed(&answer, load.deflate) {
        return Err(HandshakeError::WrongExtension { answer: answer.into_owned() }.into());
    }
    Ok((send, receive))
}

/// One WebSocket, or the raw stream in its place on a bare server.
struct Stream {
    send: SendStream<Bytes>,
    receive: RecvStream,
    exchange: Exchange,
    in_flight: InFlight,
}

impl Stream {
    /// Receives all available data and sends what is queued in response, until an error.
    fn poll_echo(
        &mut self,
        cx: &mut Context<'_>,
        cycle: &Cycle,
        seen: &Mutex<Seen>,
    ) -> Poll<Result<(), LoadError>> {
        while let Poll::Ready(data) = self.receive.poll_data(cx) {
            let data = data.ok_or(LoadError::Closed)??;
            self.receive.flow_control().release_capacity(data.len())?;
            let replies = self.exchange.receive(cycle, &data)?;
            if replies > 0 {
                let now = Instant::now();
                let mut seen = lock(seen);
                seen.last_reply = now;
                self.in_flight.replace(replies, now, &mut seen.counts);
                self.exchange.queue(cycle, replies);
            }
        }
        self.poll_send(cx, cycle)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, cycle: &Cycle) -> Poll<Result<(), LoadError>> {
        loop {
            let unsent = self.exchange.unsent(cycle);
            if unsent.is_empty() {
                return Poll::Pending;
            }
            self.send.reserve_capacity(unsent.len());
            while self.send.capacity() == 0 {
                ready!(self.send.poll_capacity(cx)).ok_or(LoadError::Closed)??;
            }
            let size = unsent.len().min(self.send.capacity());
            self.send.send_data(Bytes::copy_from_slice(&unsent[..size]), false)?;
            self.exchange.advance(size);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load;
    use crate::load::Pattern;
    use crate::load::tests::raw;
    use h2::server;
    use http::Response;
    use std::net::{SocketAddr, TcpListener};
    use std::thread;

    /// Starts an echo server with h2 on a thread, for one connection; `spoil` may change the bytes.
    fn serve(builder: server::Builder, spoil: fn(&mut [u8])) -> SocketAddr {
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
                    tokio::spawn(echo(request.into_body(), send, spoil));
                }
            });
        });
        address
    }

    async fn echo(mut receive: RecvStream, mut send: SendStream<Bytes>, spoil: fn(&mut [u8])) {
        while let Some(Ok(data)) = receive.data().await {
            let mut data = data.to_vec();
            spoil(&mut data);
            receive.flow_control().release_capacity(data.len()).unwrap();
            if send.send_data(data.into(), false).is_err() {
                return;
            }
        }
    }

    fn allowing() -> server::Builder {
        let mut builder = server::Builder::new();
        builder.enable_connect_protocol();
        builder
    }

    fn run(address: SocketAddr) -> Result<Report, LoadError> {
        load::run(&Load { connections: 1, streams: Some(3), ..raw(address, Pattern::Echo) })
    }

    fn failure(address: SocketAddr) -> LoadError {
        match run(address).unwrap_err() {
            LoadError::On { connection: 0, error } => *error,
            error => panic!("{error:?}"),
        }
    }

    #[test]
    fn echoes_on_streams_are_counted() {
        let report = run(serve(allowing(), |_| {})).unwrap();
        assert!(report.messages > 0 && report.latency.is_some());
    }

    #[test]
    fn one_wrong_byte_on_a_stream_ends_the_run() {
        let error = failure(serve(allowing(), |bytes| bytes[0] ^= 1));
        assert!(matches!(error, LoadError::WrongByte { offset: 0, .. }), "{error:?}");
    }

    #[test]
    fn a_server_that_allows_no_websockets_is_told_apart() {
        let error = failure(serve(server::Builder::new(), |_| {}));
        assert!(matches!(error, LoadError::NoExtendedConnect), "{error:?}");
    }
}
