use std::hash::{DefaultHasher, Hasher};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, split};

use super::serving::pair;

const LENGTH: usize = 100 << 20;

/// Length of a repeated pattern, in bytes: a prime, so that no two messages of a power of two are
/// equal.
const PERIOD: usize = 1_000_003;

fn pattern(seed: u64) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(&mut next).take(PERIOD).collect()
}

async fn write(mut half: impl AsyncWrite + Unpin, seed: u64) -> u64 {
    let (pattern, mut hasher, mut left) = (pattern(seed), DefaultHasher::new(), LENGTH);
    while left > 0 {
        let piece = &pattern[..PERIOD.min(left)];
        half.write_all(piece).await.unwrap();
        hasher.write(piece);
        left -= piece.len();
    }
    half.shutdown().await.unwrap();
    hasher.finish()
}

async fn read(mut half: impl AsyncRead + Unpin) -> (usize, u64) {
    let (mut buffer, mut hasher, mut length) = (vec![0; 100_000], DefaultHasher::new(), 0);
    loop {
        match half.read(&mut buffer).await.unwrap() {
            0 => return (length, hasher.finish()),
            read => {
                hasher.write(&buffer[..read]);
                length += read;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_mebibytes_pass_both_ways_at_once() {
    let (client, server) = pair().await;
    let (client_reads, client_writes) = split(client);
    let (server_reads, server_writes) = split(server);
    let (up, down, from_server, from_client) = tokio::join!(
        tokio::spawn(write(client_writes, 1)),
        tokio::spawn(write(server_writes, 2)),
        tokio::spawn(read(client_reads)),
        tokio::spawn(read(server_reads)),
    );
    assert_eq!(from_client.unwrap(), (LENGTH, up.unwrap()));
    assert_eq!(from_server.unwrap(), (LENGTH, down.unwrap()));
}
