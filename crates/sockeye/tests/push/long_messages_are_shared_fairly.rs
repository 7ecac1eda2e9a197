//! Connections that all send long messages at full speed are served equally.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sockeye::push::{Callbacks, Server};

use crate::peer::Peer;
use crate::serving::Running;
use crate::wire::{self, BINARY, FIN};

const CONNECTIONS: usize = 32;
const LENGTH: usize = 1 << 20;

/// Messages of each connection, on average.
const EACH: usize = 8;

#[test]
fn long_messages_are_shared_fairly() {
    let callbacks = Callbacks::new().on_message(|connection, message| {
        connection.send(message);
    });
    let running = Running::start(Server::new(move || callbacks.clone()).workers(1));
    let address = running.address;
    let frame = Arc::new(wire::masked(FIN | BINARY, &vec![7; LENGTH]));
    let counts: Arc<Vec<_>> = Arc::new((0..CONNECTIONS).map(|_| AtomicUsize::new(0)).collect());
    let total = Arc::new(AtomicUsize::new(0));
    let over = Arc::new(AtomicBool::new(false));
    let peers: Vec<_> = (0..CONNECTIONS).map(|_| Peer::connect(address)).collect();
    let threads: Vec<_> = peers
        .into_iter()
        .enumerate()
        .map(|(index, mut peer)| {
            let (frame, counts) = (frame.clone(), counts.clone());
            let (total, over) = (total.clone(), over.clone());
            thread::spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    peer.send(&frame);
                    assert_eq!(peer.message().len(), LENGTH);
                    // Only while all connections take part.
                    if !over.load(Ordering::Relaxed) {
                        counts[index].fetch_add(1, Ordering::Relaxed);
                    }
                    if total.fetch_add(1, Ordering::Relaxed) + 1 == EACH * CONNECTIONS {
                        over.store(true, Ordering::Relaxed);
                    }
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    running.stop();
    let counts: Vec<_> = counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    assert!(*most <= 6 * least, "{counts:?}");
}
