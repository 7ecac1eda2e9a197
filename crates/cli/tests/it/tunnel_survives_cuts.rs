//! Connections through `sockeye tunnel` outlive the WebSocket that carries them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::process::Stdio;

use crate::program::tunnel::{Client, Network, dial, echo, exchange, open, serve};

/// Number of bytes that go through the tunnel and back.
const LENGTH: usize = 64 << 20;

/// Number of cuts while they do.
const CUTS: usize = 6;

/// Returns bytes that repeat at no power of two, so that a lost or doubled part is found.
fn bytes() -> Vec<u8> {
    let mut state = 0x2545_f491_u32;
    (0..LENGTH)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state.to_le_bytes()[0]
        })
        .collect()
}

#[test]
fn no_byte_is_lost_or_doubled_when_the_network_is_cut() {
    let target = echo();
    let server = serve(&["--allow", &target.to_string()]);
    let network = Network::before(&server.address);
    let url = format!("ws://{}/tunnel", network.address);
    let client = Client::start(&url, 1, &["-L", &format!("0:{target}")]);
    let sent = bytes();
    let mut stream = client.dial(0);
    let mut reader = stream.try_clone().unwrap();
    let mut received = vec![0; LENGTH];
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for part in sent.chunks(LENGTH / (CUTS + 1)) {
                let (first, second) = part.split_at(part.len() / 2);
                stream.write_all(first).unwrap();
                network.cut();
                stream.write_all(second).unwrap();
            }
            stream.shutdown(Shutdown::Write).unwrap();
        });
        reader.read_exact(&mut received).unwrap();
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "the end follows the last byte");
        writer.join().unwrap();
    });
    assert!(received == sent, "the bytes that came back differ");
}

#[test]
fn idle_connections_and_new_ones_survive_a_cut() {
    let target = echo();
    let server = serve(&["--allow", &target.to_string()]);
    let network = Network::before(&server.address);
    let url = format!("ws://{}/tunnel", network.address);
    let client = Client::start(&url, 1, &["-L", &format!("0:{target}")]);
    let mut stream = client.dial(0);
    let mut answer = [0; 5];
    for _ in 0..5 {
        stream.write_all(b"hello").unwrap();
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(&answer, b"hello");
        network.cut();
        // A connection that begins without a WebSocket waits for the next one.
        assert_eq!(exchange(dial(&client.addresses[0]), "new"), "new");
    }
    assert_eq!(exchange(stream, "end"), "end");
}

#[test]
fn standard_input_and_output_survive_a_cut() {
    let target = echo().to_string();
    let server = serve(&["--allow", &target]);
    let network = Network::before(&server.address);
    let url = format!("ws://{}/tunnel", network.address);
    let mut child =
        open(&[&url, "-W", &target]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
    let mut answer = [0; 6];
    stdin.write_all(b"before").unwrap();
    stdout.read_exact(&mut answer).unwrap();
    network.cut();
    stdin.write_all(b"after!").unwrap();
    stdout.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"after!");
    drop(stdin);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_server_that_was_replaced_resets_the_connections_and_serves_new_ones() {
    let target = echo();
    let first = serve(&["--allow", &target.to_string()]);
    let address = first.address.clone();
    let client = Client::start(&first.url, 1, &["-L", &format!("0:{target}")]);
    let mut stream = client.dial(0);
    stream.write_all(b"x").unwrap();
    stream.read_exact(&mut [0]).unwrap();
    drop(first);
    let mut command = crate::program::sockeye(&["tunnel", "serve", "--listen", &address]);
    command.args(["--allow", &target.to_string()]);
    let _second = crate::program::Server::start_command(command);
    // The session is unknown to the second server: the connection must not seem complete.
    let error = stream.read(&mut [0]).expect_err("the connection is reset");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    assert_eq!(exchange(client.dial(0), "hello"), "hello");
}
