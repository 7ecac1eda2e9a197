//! A server bounds the memory of unfinished messages across its connections: it closes the
//! connection that holds the most with 1013.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;

use sockeye::push::{self, Backend};
use sockeye::upgrade::Options;
use sockeye::{CloseCode, Config, Deflate, MemoryBudget, Server};

use crate::peer::upgrade;

const MIB: usize = 1 << 20;
const BUDGET: usize = 64 * MIB;

/// Number of connections. Before the budget existed, their messages took 626 MB.
const CONNECTIONS: usize = 40;

/// An empty ping, masked with key 0.
const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];

/// The answer to [`PING`].
const PONG: [u8; 2] = [0x8a, 0];

/// Returns the first frame of a fragmented message, which inflates to 15 MiB.
fn bomb() -> Vec<u8> {
    // RSV1, binary, not fin; masked with key 0, 16-bit length.
    let mut frame = vec![0x42, 0xfe, 0, 0, 0, 0, 0, 0];
    let deflate = Deflate::new().level(9).unwrap();
    let (parameters, _) = deflate.accept(&[deflate.offer()]).unwrap();
    let mut deflater = parameters.deflater(sockeye_proto::Role::Client, &deflate);
    deflater.compress(&vec![0; 15 * MIB], false, &mut frame);
    let length = u16::try_from(frame.len() - 8).unwrap();
    frame[2..4].copy_from_slice(&length.to_be_bytes());
    frame
}

fn dial(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    upgrade(&mut stream, "Sec-WebSocket-Extensions: permessage-deflate\r\n");
    stream
}

fn attack(address: SocketAddr, budget: &MemoryBudget) {
    let bomb = bomb();
    let mut peak = 0;
    let mut streams = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut stream = dial(address);
        stream.write_all(&bomb).unwrap();
        // The server has handled the bomb when it answers the ping, or closes.
        stream.write_all(&PING).unwrap();
        let mut answer = [0; 2];
        stream.read_exact(&mut answer).unwrap();
        peak = peak.max(budget.held());
        streams.push((answer, stream));
    }
    // The budget may be exceeded by a quarter: see MemoryBudget.
    assert!(peak <= BUDGET + BUDGET / 4, "{peak} bytes held");
    assert!(budget.closed() > 0);
    let mut closed = 0;
    for (answer, mut stream) in streams {
        if answer == PONG {
            // A connection within the budget answers this ping; one chosen later has received a
            // close frame.
            stream.write_all(&PING).unwrap();
            let mut answer = [0; 4];
            stream.read_exact(&mut answer[..2]).unwrap();
            if answer[..2] == PONG {
                continue;
            }
            stream.read_exact(&mut answer[2..]).unwrap();
            assert_eq!(answer[2..], u16::from(CloseCode::TRY_AGAIN_LATER).to_be_bytes());
        } else {
            let mut code = [0; 2];
            stream.read_exact(&mut code).unwrap();
            assert_eq!(code, u16::from(CloseCode::TRY_AGAIN_LATER).to_be_bytes());
        }
        closed += 1;
    }
    // Five messages of 15 MiB fit into the budget and that quarter.
    assert!(closed >= CONNECTIONS - 5, "{closed} closed");
}

fn options(budget: &MemoryBudget) -> Options {
    // No timer interferes with the peers, however long they take.
    let config = Config::new().ping_after(None).min_message_rate(None);
    Options::new().config(config).deflate(Deflate::new()).memory_budget(budget.clone())
}

#[tokio::test]
async fn of_a_server() {
    let budget = MemoryBudget::new(BUDGET);
    let server = Server::bind("127.0.0.1:0").await.unwrap().options(options(&budget));
    let address = server.local_addr().unwrap();
    let serving = tokio::spawn(server.serve(|mut ws: sockeye::WebSocket| async move {
        while ws.recv().await?.is_some() {}
        Ok::<_, sockeye::Error>(())
    }));
    let attack_budget = budget.clone();
    tokio::task::spawn_blocking(move || attack(address, &attack_budget)).await.unwrap();
    serving.abort();
}

struct IgnoreMessages;

impl push::Handler for IgnoreMessages {
    fn message(&mut self, _: &mut push::Connection, _: sockeye::MessageRef<'_>) {}
}

fn of_a_handler_server(backend: Backend) {
    let budget = MemoryBudget::new(BUDGET);
    let server = push::Server::new(|| IgnoreMessages).workers(2).options(options(&budget));
    let listening = server.backend(backend).listen("127.0.0.1:0").unwrap();
    let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
    let serving = thread::spawn(move || listening.run_until_stopped());
    attack(address, &budget);
    server_handle.stop();
    serving.join().unwrap().unwrap();
    assert_eq!(budget.held(), 0);
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
