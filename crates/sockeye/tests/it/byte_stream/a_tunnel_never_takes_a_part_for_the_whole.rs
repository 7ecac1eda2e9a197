//! A program at one end of a tunnel sees a failure at the other end as an error, and never as the
//! end of the data.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use sockeye::byte_stream::{ByteStream, listener};
use sockeye::upgrade::Options;
use sockeye::{Client, CloseCode, Config};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

use super::serving::serve;

/// Length that exceeds all buffers between both ends, in bytes.
const LONG: usize = 48 << 20;

/// Timeout long enough for a machine that stalls; no test waits for it.
const IN_TIME: Duration = Duration::from_secs(60);

/// A day, which no test reaches.
const FOREVER: Duration = Duration::from_secs(24 * 3600);

struct Tunnel {
    /// The address that a program connects to.
    near: SocketAddr,
    /// The task of the end that programs connect to.
    task: JoinHandle<io::Result<(u64, u64)>>,
}

/// Opens a tunnel for one connection to `target`.
async fn dig(target: SocketAddr) -> Tunnel {
    // The keepalive of both ends is short; pauses of the programs must not affect it.
    let config = Config::new()
        .ping_after(Some(Duration::from_millis(200)))
        .pong_timeout(FOREVER)
        .write_timeout(None);
    let (mut streams, accept) = listener();
    let url = serve(accept.options(Options::new().config(config.clone()))).await;
    tokio::spawn(async move {
        let stream = streams.accept().await.unwrap();
        match TcpStream::connect(target).await {
            Ok(tcp) => drop(stream.copy_bidirectional(tcp).await),
            Err(error) => {
                stream.abort(CloseCode::BAD_GATEWAY, error.kind().to_string()).await.unwrap();
            }
        }
    });
    let near = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = near.local_addr().unwrap();
    let task = tokio::spawn(async move {
        let (tcp, _) = near.accept().await.unwrap();
        let mut stream =
            Client::new(url).config(config).connect().await.unwrap().into_byte_stream();
        stream.set_read_timeout(Some(Duration::from_secs(30)));
        stream.copy_bidirectional(tcp).await
    });
    Tunnel { near: address, task }
}

/// Opens a tunnel with a program at both ends, and returns the connecting program first.
async fn pass() -> (TcpStream, TcpStream, Tunnel) {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let tunnel = dig(target.local_addr().unwrap()).await;
    let near = TcpStream::connect(tunnel.near).await.unwrap();
    let (far, _) = timeout(IN_TIME, target.accept()).await.unwrap().unwrap();
    (near, far, tunnel)
}

async fn read_to_end(tcp: &mut TcpStream) -> (usize, io::Result<usize>) {
    let mut bytes = Vec::new();
    let read = timeout(IN_TIME, tcp.read_to_end(&mut bytes)).await.expect("no end");
    (bytes.len(), read)
}

async fn assert_is_reset(tcp: &mut TcpStream) {
    let (length, read) = read_to_end(tcp).await;
    let error = read.expect_err("the end of the data");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "after {length} bytes");
}

#[tokio::test]
async fn a_target_that_resets_is_an_error() {
    let (mut near, mut far, _tunnel) = pass().await;
    far.write_all(&vec![7; 100_000]).await.unwrap();
    let mut some = vec![0; 100_000];
    near.read_exact(&mut some).await.unwrap();
    far.set_zero_linger().unwrap();
    drop(far);
    assert_is_reset(&mut near).await;
}

#[tokio::test]
async fn a_target_that_resets_after_it_ended_its_direction_is_an_error() {
    let (mut near, mut far, _tunnel) = pass().await;
    far.shutdown().await.unwrap();
    assert_eq!(near.read(&mut [0; 10]).await.unwrap(), 0);
    far.set_zero_linger().unwrap();
    drop(far);
    let writing = async {
        loop {
            near.write_all(&[7; 1000]).await?;
            sleep(Duration::from_millis(10)).await;
        }
    };
    let written: io::Result<()> = timeout(IN_TIME, writing).await.expect("goes on");
    written.unwrap_err();
}

#[tokio::test]
async fn a_program_that_resets_is_an_error_for_the_target() {
    let (mut near, mut far, tunnel) = pass().await;
    near.write_all(b"half of it").await.unwrap();
    far.read_exact(&mut [0; 10]).await.unwrap();
    near.set_zero_linger().unwrap();
    drop(near);
    assert_is_reset(&mut far).await;
    assert_eq!(tunnel.task.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
}

#[tokio::test]
async fn a_target_that_refuses_is_an_error() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let tunnel = dig(closed).await;
    let mut near = TcpStream::connect(tunnel.near).await.unwrap();
    assert_is_reset(&mut near).await;
    let error = tunnel.task.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("connection refused"), "{error}");
}

#[tokio::test]
async fn a_tunnel_that_dies_is_an_error_at_both_ends() {
    let (mut near, mut far, tunnel) = pass().await;
    far.write_all(b"half of it").await.unwrap();
    near.read_exact(&mut [0; 10]).await.unwrap();
    tunnel.task.abort();
    assert_is_reset(&mut near).await;
    assert_is_reset(&mut far).await;
}

#[tokio::test]
async fn a_program_that_pauses_gets_everything() {
    let (mut near, mut far, tunnel) = pass().await;
    let sending = tokio::spawn(async move {
        far.write_all(&vec![7; LONG]).await.unwrap();
        far.shutdown().await.unwrap();
        far
    });
    // Several keepalive intervals of both ends.
    sleep(Duration::from_secs(2)).await;
    assert!(!sending.is_finished(), "the buffers hold all of it");
    let (length, read) = read_to_end(&mut near).await;
    read.unwrap();
    assert_eq!(length, LONG);
    near.shutdown().await.unwrap();
    assert_eq!(tunnel.task.await.unwrap().unwrap(), (0, LONG as u64));
    let mut far = sending.await.unwrap();
    assert_eq!(read_to_end(&mut far).await.1.unwrap(), 0);
}

#[tokio::test]
async fn each_direction_ends_by_itself() {
    for near_first in [true, false] {
        let (near, far, tunnel) = pass().await;
        let (mut first, mut second) = if near_first { (near, far) } else { (far, near) };
        first.write_all(b"question").await.unwrap();
        first.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut second).await.1.unwrap(), 8);
        second.write_all(&vec![7; 1 << 20]).await.unwrap();
        second.shutdown().await.unwrap();
        assert_eq!(read_to_end(&mut first).await.1.unwrap(), 1 << 20);
        tunnel.task.await.unwrap().unwrap();
    }
}

async fn pair() -> (ByteStream, ByteStream) {
    super::serving::pair().await
}

#[tokio::test]
async fn an_aborted_stream_fails_in_both_directions() {
    let (mut client, mut server) = pair().await;
    client.write_all(b"half of it").await.unwrap();
    client.flush().await.unwrap();
    let aborting = tokio::spawn(client.abort(4001, "disk full"));
    let mut bytes = Vec::new();
    let error = server.read_to_end(&mut bytes).await.unwrap_err();
    assert_eq!((bytes, error.kind()), (b"half of it".to_vec(), ErrorKind::ConnectionReset));
    assert!(error.to_string().contains("disk full"), "{error}");
    server.write(b"late").await.unwrap_err();
    aborting.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_stream_that_was_shut_down_is_reset_when_it_is_aborted() {
    let (mut client, mut server) = pair().await;
    client.shutdown().await.unwrap();
    assert_eq!(server.read(&mut [0; 10]).await.unwrap(), 0);
    client.abort(4001, "").await.unwrap();
    let writing = async {
        loop {
            server.write_all(b"x").await?;
            server.flush().await?;
            sleep(Duration::from_millis(10)).await;
        }
    };
    let written: io::Result<()> = timeout(IN_TIME, writing).await.expect("goes on");
    written.unwrap_err();
}

#[tokio::test]
async fn a_stream_is_not_aborted_by_a_code_that_tells_of_no_failure() {
    let (client, mut server) = pair().await;
    client.abort(1000, "").await.unwrap_err();
    let error = server.read(&mut [0; 10]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}
