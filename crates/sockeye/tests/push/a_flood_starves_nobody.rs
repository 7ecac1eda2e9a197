//! A connection that sends without pause does not starve the other connections of its worker.

use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

use sockeye::MessageRef;
use sockeye::push::{Callbacks, Server};

use crate::peer::Peer;
use crate::serving::Running;
use crate::wire::{self, BINARY, FIN};

/// Number of messages of the flood required between two answers.
const ROUNDS: usize = 50;

#[test]
fn a_flood_starves_nobody() {
    // A text message is answered with the number of flood messages received so far.
    let flooded = AtomicU64::new(0);
    let callbacks = Callbacks::new().on_message(move |connection, message| {
        if let MessageRef::Text(_) = message {
            let count = flooded.load(Ordering::Relaxed).to_string();
            connection.send(count.as_str());
        } else {
            flooded.fetch_add(1, Ordering::Relaxed);
        }
    });
    let running = Running::start(Server::new(move || callbacks.clone()).workers(1));
    let mut flooding = Peer::connect(running.address);
    let mut other = Peer::connect(running.address);
    let done = Arc::new(AtomicBool::new(false));
    let until = done.clone();
    let flood = thread::spawn(move || {
        let piece = wire::masked(FIN | BINARY, &[7; 200]).repeat(500);
        while !until.load(Ordering::Relaxed) {
            flooding.stream().write_all(&piece).unwrap();
        }
        flooding.send(&wire::close(1000));
        assert_eq!(flooding.close_code(), 1000);
    });
    let (mut before, mut rounds) = (0, 0);
    while rounds < ROUNDS {
        other.text("how much?");
        let count: u64 = String::from_utf8(other.message()).unwrap().parse().unwrap();
        rounds += usize::from(count > before);
        before = count;
    }
    done.store(true, Ordering::Relaxed);
    flood.join().unwrap();
    running.stop();
}
