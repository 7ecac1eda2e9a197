//! `--memory-budget` limits the memory of unfinished messages of all connections; beyond it the
//! connection that holds the most is closed with 1013, and counted.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program;
use std::io::{Read, Write};

use sockeye::CloseCode;

#[tokio::test]
async fn the_memory_budget_closes_the_largest_holder() {
    let server = program::Server::start(&["--memory-budget", "1MiB", "--metrics"]);
    let mut other = sockeye::connect(&format!("ws://{}/echo", server.address)).await.unwrap();
    let mut holder = server.dial();
    program::upgrade(&mut holder, &server.address);
    // A binary message of 4 MiB, of which half is sent.
    holder.write_all(&[0x82, 0xff, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0]).unwrap();
    holder.write_all(&vec![0; 2 << 20]).unwrap();
    let mut close = [0; 4];
    holder.read_exact(&mut close).unwrap();
    assert_eq!(close[0], 0x88, "{close:?}");
    assert_eq!(close[2..], u16::from(CloseCode::TRY_AGAIN_LATER).to_be_bytes());
    other.send("hello").await.unwrap();
    assert_eq!(other.recv().await.unwrap().unwrap(), "hello");
    let count = "sockeye_connections_failed_total{role=\"server\",cause=\"over_budget\"} 1\n";
    let page = server.get("/metrics");
    assert!(page.contains(count), "{page}");
}
