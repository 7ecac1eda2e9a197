//! A ping may wait behind megabytes that the system buffers for a slow line: its pong is not due
//! before the peer has the ping.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::{Domain, Socket, Type};
use sockeye::push::{self, Backend};
use sockeye::upgrade::{Options, Upgrader};
use sockeye::{CloseCode, Config, Error, Message, TimedOut, WebSocket};
use tokio::net::TcpListener;

use crate::peer::upgrade;

const PING_AFTER: Duration = Duration::from_millis(500);
const PONG_TIMEOUT: Duration = Duration::from_millis(500);

/// Length of the message that the server sends at once, in bytes: the system buffers most of it.
const LENGTH: usize = 3 << 20;

/// Bytes that the peer reads every [`PAUSE`].
const PIECE: usize = 32 * 1024;
const PAUSE: Duration = Duration::from_millis(30);

fn options() -> Options {
    let config = Config::new().ping_after(Some(PING_AFTER)).pong_timeout(PONG_TIMEOUT);
    Options::new().config(config)
}

/// Opens a raw WebSocket with a small receive buffer.
fn dial(address: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(16 * 1024).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut stream = TcpStream::from(socket);
    upgrade(&mut stream, "");
    stream
}

/// Reads a message of [`LENGTH`] bytes over a slow line, then closes. Returns the duration of the
/// read.
fn read_slowly(address: SocketAddr) -> Duration {
    let mut stream = dial(address);
    let start = Instant::now();
    let mut buffer = vec![0; PIECE];
    let mut left = LENGTH + 10;
    while left > 0 {
        thread::sleep(PAUSE);
        let length = left.min(PIECE);
        stream.read_exact(&mut buffer[..length]).expect("not cut");
        left -= length;
    }
    let took = start.elapsed();
    stream.write_all(&[0x88, 0x82, 0, 0, 0, 0, 3, 0xe8]).unwrap();
    // Pings, and the reply to the close frame.
    let _ = stream.read_to_end(&mut Vec::new());
    took
}

async fn accept(listener: &TcpListener) -> WebSocket {
    let (stream, _) = listener.accept().await.unwrap();
    Upgrader::new().options(options()).accept(stream).await.unwrap()
}

fn message() -> Message {
    vec![0; LENGTH].into()
}

#[tokio::test]
async fn of_a_websocket() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = tokio::task::spawn_blocking(move || read_slowly(address));
    let mut ws = accept(&listener).await;
    ws.send(message()).await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), None);
    let took = peer.await.unwrap();
    assert!(took > 2 * (PING_AFTER + PONG_TIMEOUT), "too fast to tell: {took:?}");
}

#[tokio::test]
async fn of_a_websocket_in_two_halves() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let peer = tokio::task::spawn_blocking(move || read_slowly(address));
    let (sender, mut receiver) = accept(&listener).await.split();
    sender.send(message()).await.unwrap();
    assert_eq!(receiver.recv().await.unwrap(), None);
    peer.await.unwrap();
}

/// A handler that sends the message to every client.
struct Sender;

impl push::Handler for Sender {
    fn open(&mut self, connection: &mut push::Connection, _: &sockeye::upgrade::Request<'_>) {
        connection.send_shared(message());
    }

    fn message(&mut self, _: &mut push::Connection, _: sockeye::MessageRef<'_>) {}

    fn error(&mut self, _: &mut push::Connection, error: &Error) {
        panic!("{error}");
    }
}

fn by_a_handler_server(backend: Backend) {
    let server = push::Server::new(|| Sender).workers(1).options(options()).backend(backend);
    let listening = server.listen("127.0.0.1:0").unwrap();
    let address = listening.local_addr().unwrap();
    let server_handle = listening.handle();
    let serving = thread::spawn(move || listening.run_until_stopped());
    read_slowly(address);
    server_handle.stop();
    serving.join().unwrap().unwrap();
}

#[test]
fn of_a_handler_server() {
    by_a_handler_server(Backend::Readiness);
}

#[cfg(feature = "io-uring")]
#[test]
fn of_a_handler_server_on_io_uring() {
    by_a_handler_server(Backend::IoUring);
}

#[tokio::test]
async fn a_peer_that_takes_nothing_more_is_closed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let dialled = tokio::task::spawn_blocking(move || dial(address));
    let mut ws = accept(&listener).await;
    let mut peer = dialled.await.unwrap();
    let error = ws.recv().await.unwrap_err();
    assert!(matches!(error, Error::TimedOut(TimedOut::Keepalive)), "{error:?}");
    drop(ws);
    let mut wire = Vec::new();
    peer.read_to_end(&mut wire).unwrap();
    let close = [&[0x88, 19, 0x03, 0xf3][..], b"keepalive timeout"].concat();
    assert!(wire.ends_with(&close), "{wire:x?}");
    assert_eq!(u16::from(CloseCode::INTERNAL_ERROR), 0x03f3);
}
