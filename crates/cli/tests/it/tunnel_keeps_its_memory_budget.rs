//! `sockeye tunnel serve` ends the session of a client whose targets take nothing, before the data on
//! the way of all clients exceeds the memory budget.
#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::os::unix::net::UnixListener;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use crate::program::tunnel::{Client, dial, echo, exchange, serve};

/// Number of connections to the target that takes nothing. Each has 256 KiB on the way at the server:
/// together four times the budget.
const STALLED: usize = 64;

const BUDGET: &str = "4MiB";

/// Listens on a path, and accepts connections from which nothing is read. A Unix socket, unlike TCP,
/// takes only a little by itself.
fn deaf(name: &str) -> String {
    let path = std::env::temp_dir().join(format!("sockeye-{name}-{}.sock", std::process::id()));
    let listener = UnixListener::bind(&path).unwrap();
    let kept = Arc::new(Mutex::new(Vec::new()));
    thread::spawn(move || {
        for stream in listener.incoming() {
            kept.lock().unwrap().push(stream.unwrap());
        }
    });
    path.to_str().unwrap().to_owned()
}

fn ping(stream: &mut TcpStream) {
    stream.write_all(b"!").unwrap();
    stream.read_exact(&mut [0]).unwrap();
}

/// Connections that are written to for as long as they take data.
struct Stalled {
    streams: Vec<TcpStream>,
    writers: Vec<JoinHandle<()>>,
}

impl Stalled {
    fn begin(address: &str) -> Self {
        let streams: Vec<_> = (0..STALLED).map(|_| dial(address)).collect();
        let write = |stream: &TcpStream| {
            let mut stream = stream.try_clone().unwrap();
            thread::spawn(move || {
                let data = vec![7; 1 << 20];
                while stream.write_all(&data).is_ok() {}
            })
        };
        let writers = streams.iter().map(write).collect();
        Self { streams, writers }
    }

    fn end(self) {
        for stream in self.streams {
            // Those of the session that was ended are reset.
            let _ = stream.shutdown(Shutdown::Both);
        }
        for writer in self.writers {
            writer.join().unwrap();
        }
    }
}

#[test]
fn a_client_of_stalled_targets_is_disconnected_and_others_go_on() {
    let (deaf, target) = (deaf("budget"), echo());
    let (stalled, allowed) = (format!("unix:{deaf}"), target.to_string());
    let rules = ["--allow", &stalled, "--allow", &allowed, "--memory-budget", BUDGET];
    let mut server = serve(&rules);
    let forward = format!("0:{target}");
    let other = Client::start(&server.url, 1, &["-L", &forward]);
    let mut connection = other.dial(0);
    ping(&mut connection);

    let mut greedy = Client::start(&server.url, 2, &["-L", &forward, "-L", &format!("0:{deaf}")]);
    let mut beside = greedy.dial(0);
    ping(&mut beside);
    let stalled = Stalled::begin(&greedy.addresses[1]);
    // Connections end with their session, and their loss is not taken for their end.
    let end = beside.read(&mut [0]).expect_err("the connection is reset");
    assert_eq!(end.kind(), ErrorKind::ConnectionReset);
    // Both ends name the reason.
    greedy.wait_for("the memory budget is used up");
    let line = server.wait_for_line("the memory budget is used up");
    assert!(line.contains("WARN") && line.contains("session=2"), "{line}");
    stalled.end();

    ping(&mut connection);
    assert_eq!(exchange(other.dial(0), "hello"), "hello");
    // The client begins another session, and the budget is free again.
    for _ in 0..2 {
        assert_eq!(exchange(greedy.dial(0), "hello"), "hello");
        let stalled = Stalled::begin(&greedy.addresses[1]);
        greedy.wait_for("the memory budget is used up");
        stalled.end();
    }
    ping(&mut connection);
    std::fs::remove_file(deaf).unwrap();
}
