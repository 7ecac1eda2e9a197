//! Output that peers do not read counts in the memory budget of their server: when other
//! connections exhaust the budget, the largest holder is closed, though it is silent.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use sockeye::push::{self, Backend};
use sockeye::split::SendQueue;
use sockeye::upgrade::Options;
use sockeye::{Config, Error, MemoryBudget, Message, ProtocolError, Server, WebSocket};
use tokio::sync::mpsc::unbounded_channel;

use crate::peer::upgrade;

const MIB: usize = 1 << 20;
const BUDGET: usize = 64 * MIB;

/// Length of the output that the holder leaves unread, in MiB: most of it exceeds the buffers of
/// the sockets.
const HELD: u8 = 50;

fn dial(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    upgrade(&mut stream, "");
    stream
}

/// Requests a message of `mebibytes` MiB.
fn ask(stream: &mut TcpStream, mebibytes: u8) {
    stream.write_all(&[0x82, 0x81, 0, 0, 0, 0, mebibytes]).unwrap();
}

fn wait_for(condition: impl Fn() -> bool) {
    while !condition() {
        thread::park_timeout(Duration::from_millis(1));
    }
}

/// Sends a fragment of 12 MiB and no more, and waits until the server has it.
fn begin_message(stream: &mut TcpStream) {
    stream.write_all(&[0x02, 0xff, 0, 0, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0]).unwrap();
    stream.write_all(&vec![0; 12 * MIB]).unwrap();
    stream.write_all(&[0x89, 0x80, 0, 0, 0, 0]).unwrap();
    let mut pong = [0; 2];
    stream.read_exact(&mut pong).unwrap();
    assert_eq!(pong, [0x8a, 0]);
}

fn attack(address: SocketAddr, budget: &MemoryBudget) {
    let mut innocent = dial(address);
    let mut holder = dial(address);
    ask(&mut holder, HELD);
    wait_for(|| budget.held() > 30 * MIB);
    let mut others = Vec::new();
    while budget.held() <= BUDGET && budget.closed() == 0 {
        let mut other = dial(address);
        begin_message(&mut other);
        others.push(other);
    }
    wait_for(|| budget.closed() == 1);
    // The data that the system had buffered arrives, and then the end.
    let mut received = 0;
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(length @ 1..) = holder.read(&mut buffer) {
        received += length;
    }
    assert!(received < usize::from(HELD) * MIB, "all of it was read");
    // The others hold less, and stay open.
    for other in &mut others {
        other.write_all(&[0x80, 0x80, 0, 0, 0, 0]).unwrap();
        other.read_exact(&mut buffer[..2]).unwrap();
        assert_eq!(buffer[..2], [0x82, 0]);
    }
    ask(&mut innocent, 0);
    innocent.read_exact(&mut buffer[..2]).unwrap();
    assert_eq!(buffer[..2], [0x82, 0]);
    wait_for(|| budget.held() == 0);
    assert_eq!(budget.closed(), 1);
}

fn options(budget: &MemoryBudget) -> Options {
    // No timer ends a connection in place of the budget.
    let config = Config::new().ping_after(None).write_timeout(None).min_message_rate(None);
    Options::new().config(config).memory_budget(budget.clone())
}

/// Returns the requested message.
fn answer(request: &[u8]) -> Vec<u8> {
    vec![0; usize::from(request[0]) * MIB]
}

async fn answer_all(mut ws: WebSocket) -> sockeye::Result<()> {
    while let Some(message) = ws.recv().await? {
        ws.send(answer(message.as_bytes())).await?;
    }
    Ok(())
}

/// Sends in one task the messages requested in another one, which waits for the peer.
async fn answer_by_a_sender(ws: WebSocket) -> sockeye::Result<()> {
    let (sender, mut receiver) = ws.split_with(SendQueue::new().capacity(64 << 20));
    while let Some(message) = receiver.recv().await? {
        sender.send(Message::from(answer(message.as_bytes()))).await?;
    }
    Ok(())
}

async fn of_a_server<F>(handler: fn(WebSocket) -> F)
where
    F: Future<Output = sockeye::Result<()>> + Send + 'static,
{
    let budget = MemoryBudget::new(BUDGET);
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options(&budget));
    let address = server.local_addr().unwrap();
    let (results, mut failed) = unbounded_channel();
    let serving = tokio::spawn(server.serve(move |ws| {
        let results = results.clone();
        async move {
            if let Err(error) = handler(ws).await {
                let _ = results.send(error);
            }
        }
    }));
    tokio::task::spawn_blocking(move || attack(address, &budget)).await.unwrap();
    // The others end without a closing handshake at the end of the attack.
    let is_over = |error: &Error| {
        matches!(error, Error::Protocol(ProtocolError::OverBudget { limit: BUDGET }))
    };
    while !is_over(&failed.recv().await.unwrap()) {}
    serving.abort();
}

#[tokio::test]
async fn of_a_connection() {
    of_a_server(answer_all).await;
}

#[tokio::test]
async fn of_a_connection_in_two_halves() {
    of_a_server(answer_by_a_sender).await;
}

struct Answer;

impl push::Handler for Answer {
    fn message(&mut self, connection: &mut push::Connection, message: sockeye::MessageRef<'_>) {
        connection.send_shared(answer(message.as_bytes()));
    }
}

fn of_a_handler_server(backend: Backend) {
    let budget = MemoryBudget::new(BUDGET);
    let server = push::Server::new(|| Answer).workers(2).options(options(&budget));
    let listening = server.backend(backend).listen("127.0.0.1:0").unwrap();
    let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
    let serving = thread::spawn(move || listening.run_until_stopped());
    attack(address, &budget);
    server_handle.stop();
    serving.join().unwrap().unwrap();
}

#[test]
fn of_a_handler_server_on_readiness() {
    of_a_handler_server(Backend::Readiness);
}

#[cfg(feature = "io-uring")]
#[test]
fn of_a_handler_server_on_io_uring() {
    of_a_handler_server(Backend::IoUring);
}
