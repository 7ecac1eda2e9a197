//! A message many times longer than the memory that it takes. The test is alone in its process,
//! because it checks the process's peak memory.
//!
//! The message is 64 MiB long, because a debug build is slow; the example `long_message` passes 1
//! GiB in the same way.

#![cfg(all(target_os = "linux", feature = "deflate"))]
#![allow(clippy::cast_possible_truncation, clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use sockeye::upgrade::{Options, Upgrader};
use sockeye::{Client, Deflate, Kind, WebSocket};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

const LENGTH: usize = 64 << 20;

/// Maximum growth of the peak memory, in KiB.
const GROWTH: u64 = 4096;

/// Returns the peak memory of this process, in KiB.
fn peak_memory() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Returns a pattern whose period is no multiple of a buffer, so that omitted or repeated data
/// shows.
fn pattern() -> Vec<u8> {
    (0..65_521u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8 & 0x3f).collect()
}

async fn send(ws: &mut WebSocket) {
    let pattern = pattern();
    let mut message = ws.send_stream(Kind::Binary).await.unwrap();
    let mut left = LENGTH;
    while left > 0 {
        let part = left.min(pattern.len());
        message.write_all(&pattern[..part]).await.unwrap();
        left -= part;
    }
    message.finish().await.unwrap();
}

async fn receive(ws: &mut WebSocket) {
    let mut pattern = pattern();
    let period = pattern.len();
    pattern.extend_from_within(..);
    let mut message = ws.recv_stream().await.unwrap().unwrap();
    let mut buffer = vec![0; 20_000];
    let mut received = 0;
    loop {
        let length = message.read(&mut buffer).await.unwrap();
        if length == 0 {
            break;
        }
        let at = received % period;
        assert!(buffer[..length] == pattern[at..at + length], "at {received}");
        received += length;
    }
    assert_eq!(received, LENGTH);
}

#[tokio::test]
async fn both_ways_plain_and_compressed() {
    for deflate in [None, Some(Deflate::new())] {
        let mut client = Client::new("ws://example.com/");
        let mut options = Options::new();
        if let Some(deflate) = deflate {
            client = client.deflate(deflate.clone());
            options = options.deflate(deflate);
        }
        let (near, far) = duplex(64 * 1024);
        let upgrader = Upgrader::new().options(options);
        let (client, server) = tokio::join!(client.handshake(near), upgrader.accept(far));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        let before = peak_memory();
        tokio::join!(send(&mut client), receive(&mut server));
        tokio::join!(send(&mut server), receive(&mut client));
        let growth = peak_memory() - before;
        assert!(growth < GROWTH, "{growth} KiB");
    }
}
