//! Connections with more input than a worker can handle take turns, so that connections with little
//! input are not delayed by them.

use std::io::Write as _;
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex};
use std::thread;

use sockeye::push::{Callbacks, ConnectionId, Server};

use crate::peer::{Peer, TEST_TIMEOUT};
use crate::serving::Running;
use crate::wire::{self, BINARY, FIN, PING};

const FLOODS: usize = 3;
/// Number of frames of each flood, of six bytes each.
const FRAMES: usize = 600_000;
/// Maximum number of frames that a worker handles of one connection in a row. With `io_uring` it is
/// the content of its buffers, 1 MiB.
const IN_A_ROW: usize = (1 << 20) / 6 + 1;

/// The length of the longest run of callbacks for one connection, measured while other connections
/// have input.
#[derive(Default)]
struct Runs {
    last: Option<ConnectionId>,
    run: usize,
    longest: usize,
    handled: usize,
}

impl Runs {
    fn note(&mut self, id: ConnectionId) {
        self.run = if self.last == Some(id) { self.run + 1 } else { 1 };
        self.last = Some(id);
        self.handled += 1;
        // Towards the end some floods are over.
        if self.handled < FRAMES {
            self.longest = self.longest.max(self.run);
        }
    }
}

fn longest_run(frame: &[u8]) -> usize {
    let runs = Arc::new(Mutex::new(Runs::default()));
    let (busy, was_busy) = channel();
    let (release, released) = channel::<()>();
    let released: Mutex<Receiver<()>> = Mutex::new(released);
    let (of_messages, of_pings) = (runs.clone(), runs.clone());
    let callbacks = Callbacks::new()
        .on_message(move |connection, message| {
            if message.as_bytes() == b"be busy" {
                busy.send(()).unwrap();
                released.lock().unwrap().recv_timeout(TEST_TIMEOUT).unwrap();
            } else {
                of_messages.lock().unwrap().note(connection.id());
            }
        })
        .on_ping(move |connection, _| of_pings.lock().unwrap().note(connection.id()));
    let running = Running::start(Server::new(move || callbacks.clone()).workers(1));
    let mut keeping_busy = Peer::connect(running.address);
    let floods: Vec<_> = (0..FLOODS).map(|_| Peer::connect(running.address)).collect();
    keeping_busy.text("be busy");
    was_busy.recv_timeout(TEST_TIMEOUT).unwrap();
    let (began, have_begun) = channel();
    let bytes = Arc::new(frame.repeat(FRAMES));
    let threads: Vec<_> = floods
        .into_iter()
        .map(|mut peer| {
            let (began, bytes) = (began.clone(), bytes.clone());
            thread::spawn(move || {
                let (first, rest) = bytes.split_at(32 * 1024);
                peer.send(first);
                began.send(()).unwrap();
                // Unread pongs would stop the flood.
                let mut writer = peer.stream().try_clone().unwrap();
                let rest = rest.to_vec();
                let writing = thread::spawn(move || {
                    writer.write_all(&rest).unwrap();
                    writer.write_all(&wire::close(1000)).unwrap();
                });
                peer.drain();
                writing.join().unwrap();
            })
        })
        .collect();
    for _ in 0..FLOODS {
        have_begun.recv_timeout(TEST_TIMEOUT).unwrap();
    }
    release.send(()).unwrap();
    for thread in threads {
        thread.join().unwrap();
    }
    running.stop();
    let runs = runs.lock().unwrap();
    assert_eq!(runs.handled, FLOODS * FRAMES);
    runs.longest
}

#[test]
fn floods_of_empty_messages_take_turns() {
    let longest = longest_run(&wire::masked(FIN | BINARY, b""));
    assert!(longest <= IN_A_ROW, "{longest} messages in a row");
}

#[test]
fn floods_of_pings_take_turns() {
    let longest = longest_run(&wire::masked(FIN | PING, b""));
    assert!(longest <= IN_A_ROW, "{longest} pings in a row");
}
