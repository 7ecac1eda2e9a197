//! Writes, flushes and reads of any lengths, over transports of any size.

use std::io::IoSlice;

use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncWrite};

use super::*;

/// A step of one end with its writing half.
#[derive(Clone, Debug)]
enum Step {
    Write(usize),
    WriteVectored([usize; 3]),
    Flush,
    Yield,
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![8 => 0..50_usize, 4 => 0..5000_usize, 1 => 0..100_000_usize]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => length().prop_map(Step::Write),
        2 => [length(), length(), length()].prop_map(Step::WriteVectored),
        2 => Just(Step::Flush),
        1 => Just(Step::Yield),
    ];
    prop::collection::vec(step, 0..30)
}

/// Returns the byte at a position of the stream.
fn byte(at: usize) -> u8 {
    (at.wrapping_mul(at) >> 5).to_le_bytes()[0]
}

/// Follows the script, ends the stream, and returns its length.
async fn write(mut half: impl AsyncWrite + Unpin, steps: Vec<Step>) -> usize {
    let mut at = 0;
    let mut bytes = |length: usize| -> Vec<u8> {
        at += length;
        (at - length..at).map(byte).collect()
    };
    for step in steps {
        match step {
            Step::Write(length) => half.write_all(&bytes(length)).await.unwrap(),
            Step::WriteVectored(lengths) => {
                let parts = lengths.map(&mut bytes);
                let mut slices = parts.each_ref().map(|part| IoSlice::new(part));
                let mut slices = &mut slices[..];
                IoSlice::advance_slices(&mut slices, 0);
                while !slices.is_empty() {
                    let written = half.write_vectored(slices).await.unwrap();
                    assert_ne!(written, 0);
                    IoSlice::advance_slices(&mut slices, written);
                }
            }
            Step::Flush => half.flush().await.unwrap(),
            Step::Yield => tokio::task::yield_now().await,
        }
    }
    half.shutdown().await.unwrap();
    at
}

async fn read(mut half: impl AsyncRead + Unpin, lengths: Vec<usize>) -> usize {
    let mut at = 0;
    for length in lengths.into_iter().cycle() {
        let mut piece = vec![0; length];
        let read = half.read(&mut piece).await.unwrap();
        if read == 0 {
            break;
        }
        for found in &piece[..read] {
            assert_eq!(*found, byte(at), "at {at}");
            at += 1;
        }
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn whatever_is_written_is_read_in_order_to_the_end(
        buffer in prop_oneof![1..100_usize, 100..100_000_usize],
        up in steps(),
        down in steps(),
        lengths in prop::collection::vec(prop_oneof![1..100_usize, 100..70_000_usize], 1..10),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let (client, server) = streams(buffer);
            let (client_reads, client_writes) = split(client);
            let (server_reads, server_writes) = split(server);
            let conversation = async {
                tokio::join!(
                    tokio::spawn(write(client_writes, up)),
                    tokio::spawn(write(server_writes, down)),
                    tokio::spawn(read(client_reads, lengths.clone())),
                    tokio::spawn(read(server_reads, lengths)),
                )
            };
            let (up, down, from_server, from_client) =
                timeout(Duration::from_secs(60), conversation).await.expect("all tasks end");
            assert_eq!(from_client.unwrap(), up.unwrap());
            assert_eq!(from_server.unwrap(), down.unwrap());
        });
    }
}
