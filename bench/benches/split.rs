//! Eight tasks that send on one connection: the cost of a message for each library's way to share
//! the sending half.
//!
//!     cargo bench --bench split
//!
//! A rival whose sending half cannot be cloned is shared as its users share it: behind a tokio
//! mutex with one `send` per message, or with a bounded channel into a task that feeds all queued
//! messages and then flushes. The server runs on a dedicated thread and core; the client on another
//! reads everything and compares every byte. Results are the server thread's processor time per
//! message, as reported by the scheduler: medians of interleaved rounds.

use std::convert::Infallible;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream as BlockingTcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::{fs, thread};

use bytes::Bytes;
use fastwebsockets::{Frame, Payload, Role, WebSocket as FastWebSocket};
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use rustix::thread::{CpuSet, sched_setaffinity};
use sockeye_bench::accept::accept;
use tokio::net::TcpStream;
use tokio::sync::{Mutex, mpsc};
use tokio::task::{JoinHandle, JoinSet};

const WRITERS: usize = 8;
const MESSAGES: usize = 50_000;
const ROUNDS: usize = 7;
const PAYLOAD: [u8; 20] = *b"twenty bytes of load";
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
/// The client's start signal: a masked binary frame of one byte.
const START_SIGNAL: [u8; 7] = [0x82, 0x81, 0, 0, 0, 0, 0];
/// Size of an unmasked binary frame, in bytes.
const FRAME_SIZE: usize = 2 + PAYLOAD.len();

type ServerFuture = Pin<Box<dyn Future<Output = ()>>>;
type Rival = (&'static str, fn(TcpStream) -> ServerFuture);

const RIVALS: [Rival; 7] = [
    ("sockeye", |stream| Box::pin(sockeye(stream))),
    ("tokio-tungstenite, channel", |stream| Box::pin(tungstenite_channel(stream))),
    ("tokio-tungstenite, mutex", |stream| Box::pin(tungstenite_mutex(stream))),
    ("tokio-websockets, channel", |stream| Box::pin(tokio_websockets(stream))),
    ("yawc, channel", |stream| Box::pin(yawc(stream))),
    ("sockudo-ws, channel", |stream| Box::pin(sockudo(stream))),
    ("fastwebsockets, mutex", |stream| Box::pin(fastwebsockets(stream))),
];

fn main() -> io::Result<()> {
    pin(1)?;
    let mut samples = vec![Vec::new(); RIVALS.len()];
    for round in 0..ROUNDS {
        for index in 0..RIVALS.len() {
            let rival = (index + round) % RIVALS.len();
            samples[rival].push(measure(RIVALS[rival].1)?);
        }
    }
    println!("{:28} {:>12} {:>10}   (lowest, highest)", "", "ns/message", "ratio");
    let medians: Vec<f64> = samples.iter_mut().map(|samples| median(samples)).collect();
    for ((name, _), (median, samples)) in RIVALS.iter().zip(medians.iter().zip(&samples)) {
        let (lowest, highest) = (samples[0], samples[ROUNDS - 1]);
        let ratio = median / medians[0];
        println!("{name:28} {median:12.0} {ratio:10.2}   ({lowest:.0}, {highest:.0})");
    }
    Ok(())
}

fn median(samples: &mut [f64]) -> f64 {
    samples.sort_by(f64::total_cmp);
    samples[samples.len() / 2]
}

/// Returns the processor time of the server's thread per message, in nanoseconds.
fn measure(rival: fn(TcpStream) -> ServerFuture) -> io::Result<f64> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let server = thread::spawn(move || -> io::Result<u64> {
        pin(0)?;
        let (stream, _) = listener.accept()?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let before = cpu_time()?;
        let serving = async {
            rival(TcpStream::from_std(stream)?).await;
            io::Result::Ok(())
        };
        tokio::task::LocalSet::new().block_on(&runtime, serving)?;
        Ok(cpu_time()? - before)
    });
    let mut stream = BlockingTcpStream::connect(address)?;
    stream.write_all(REQUEST)?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.extend(byte);
    }
    // Only now may the server send: everything after the head is its messages.
    stream.write_all(&START_SIGNAL)?;
    let mut expected = vec![0x82, 20];
    expected.extend_from_slice(&PAYLOAD);
    let total = WRITERS * MESSAGES * FRAME_SIZE;
    let mut buffer = vec![0; FRAME_SIZE * 4096];
    let (mut read, mut filled) = (0, 0);
    while read < total {
        let length = stream.read(&mut buffer[filled..])?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (read, filled) = (read + length, filled + length);
        let whole = filled / FRAME_SIZE * FRAME_SIZE;
        if buffer[..whole].chunks_exact(FRAME_SIZE).any(|frame| frame != expected) {
            return Err(io::Error::other("a message came back changed"));
        }
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
    }
    drop(stream);
    let cpu_time = server.join().map_err(|_| io::Error::other("the server panicked"))??;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    Ok(cpu_time as f64 / (WRITERS * MESSAGES) as f64)
}

fn pin(core: usize) -> io::Result<()> {
    let mut set = CpuSet::new();
    set.set(core);
    Ok(sched_setaffinity(None, &set)?)
}

/// Returns the processor time of this thread, in nanoseconds.
fn cpu_time() -> io::Result<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat")?;
    text.split(' ')
        .next()
        .and_then(|field| field.parse().ok())
        .ok_or(io::ErrorKind::InvalidData.into())
}

fn payload() -> Bytes {
    Bytes::from_static(&PAYLOAD)
}

/// Runs the writers, each with a clone of `sender`.
async fn write<S, F>(sender: S, send: impl Fn(S) -> F)
where
    S: Clone,
    F: Future<Output = ()> + 'static,
{
    let mut writers = JoinSet::new();
    for _ in 0..WRITERS {
        writers.spawn_local(send(sender.clone()));
    }
    while writers.join_next().await.is_some() {}
}

/// Waits for the start signal, then keeps reading in a separate task until the client disconnects.
async fn read<T, E>(
    mut stream: impl Stream<Item = Result<T, E>> + Unpin + 'static,
) -> JoinHandle<()> {
    assert!(stream.next().await.is_some(), "the start signal");
    tokio::task::spawn_local(async move {
        while stream.next().await.is_some_and(|message| message.is_ok()) {}
    })
}

async fn sockeye(stream: TcpStream) {
    let upgrader = sockeye::upgrade::Upgrader::new();
    let (sender, receiver) = upgrader.accept(stream).await.expect("an upgrade").split();
    let reading = read(receiver).await;
    write(sender.clone(), |sender| async move {
        for _ in 0..MESSAGES {
            sender.send(payload()).await.expect("sent");
        }
    })
    .await;
    sender.flush().await.expect("flushed");
    drop(sender);
    let _ = reading.await;
}

async fn tungstenite_channel(stream: TcpStream) {
    use tokio_tungstenite::tungstenite::Message;
    let socket = tokio_tungstenite::accept_async(stream).await.expect("an upgrade");
    let (sink, stream) = socket.split();
    let reading = read(stream).await;
    send_through_channel(sink, || Message::Binary(payload())).await;
    let _ = reading.await;
}

async fn tungstenite_mutex(stream: TcpStream) {
    use tokio_tungstenite::tungstenite::Message;
    let socket = tokio_tungstenite::accept_async(stream).await.expect("an upgrade");
    let (sink, stream) = socket.split();
    let reading = read(stream).await;
    write(Arc::new(Mutex::new(sink)), |sink| async move {
        for _ in 0..MESSAGES {
            sink.lock().await.send(Message::Binary(payload())).await.expect("sent");
        }
    })
    .await;
    let _ = reading.await;
}

async fn tokio_websockets(stream: TcpStream) {
    let (_, socket) =
        tokio_websockets::ServerBuilder::new().accept(stream).await.expect("an upgrade");
    let (sink, stream) = socket.split();
    let reading = read(stream).await;
    send_through_channel(sink, || tokio_websockets::Message::binary(payload())).await;
    let _ = reading.await;
}

async fn yawc(stream: TcpStream) {
    let stream = accept(stream).await.expect("an upgrade");
    let options = yawc::Options::default().without_compression();
    let socket =
        yawc::WebSocket::from_stream_with_extensions(stream, yawc::Role::Server, None, options)
            .expect("a connection");
    let (sink, stream) = socket.split();
    let reading = read(stream.map(Ok::<_, Infallible>)).await;
    send_through_channel(sink, || yawc::Frame::binary(payload())).await;
    let _ = reading.await;
}

async fn sockudo(stream: TcpStream) {
    let stream = accept(stream).await.expect("an upgrade");
    let config = sockudo_ws::Config::builder().auto_ping(false).idle_timeout(0).build();
    let socket = sockudo_ws::WebSocketStream::server(stream, config);
    let (sink, stream) = StreamExt::split(socket);
    let reading = read(stream).await;
    send_through_channel(sink, || sockudo_ws::Message::Binary(payload())).await;
    let _ = reading.await;
}

async fn fastwebsockets(stream: TcpStream) {
    let stream = accept(stream).await.expect("an upgrade");
    let socket = FastWebSocket::after_handshake(stream, Role::Server);
    let (mut read, write_half) = socket.split(tokio::io::split);
    let mut discard_control = |_| async { io::Result::Ok(()) };
    read.read_frame(&mut discard_control).await.expect("the start signal");
    let reading = tokio::task::spawn_local(async move {
        let mut discard_control = |_| async { io::Result::Ok(()) };
        while read.read_frame(&mut discard_control).await.is_ok() {}
    });
    write(Arc::new(Mutex::new(write_half)), |half| async move {
        for _ in 0..MESSAGES {
            let frame = Frame::binary(Payload::Borrowed(&PAYLOAD));
            half.lock().await.write_frame(frame).await.expect("sent");
        }
    })
    .await;
    let _ = reading.await;
}

/// Sends the writers' messages through a channel with a capacity of 1,024 to a task that feeds all
/// queued messages, then flushes.
async fn send_through_channel<M, K>(mut sink: K, message: impl Fn() -> M + Copy + 'static)
where
    M: 'static,
    K: Sink<M> + Unpin + 'static,
    K::Error: std::fmt::Debug,
{
    let (sender, mut messages) = mpsc::channel(1024);
    let feeding = tokio::task::spawn_local(async move {
        while let Some(message) = messages.recv().await {
            sink.feed(message).await.expect("fed");
            while let Ok(message) = messages.try_recv() {
                sink.feed(message).await.expect("fed");
            }
            sink.flush().await.expect("flushed");
        }
    });
    write(sender, move |sender| async move {
        for _ in 0..MESSAGES {
            let _ = sender.send(message()).await;
        }
    })
    .await;
    let _ = feeding.await;
}
