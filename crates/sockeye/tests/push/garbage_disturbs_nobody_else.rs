//! A loaded server that receives garbage on some connections serves the others undisturbed.

use std::io::Write as _;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use sockeye::push::Server;

use crate::peer::{Peer, request};
use crate::recorder::record_echo;
use crate::serving::Running;
use crate::wire::{self, BINARY, CONTINUATION, FIN, PING, TEXT};

const WELL_BEHAVED: u8 = 8;
const ROUNDS: usize = 150;

/// Returns inputs of whole connections, each of which violates the protocol in some way.
fn garbage() -> Vec<Vec<u8>> {
    let upgraded = |frames: &[u8]| [request("/", "").as_bytes(), frames].concat();
    vec![
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03".to_vec(),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        vec![0; 20_000],
        vec![b'a'; 40_000],
        upgraded(&[0xff; 1000]),
        upgraded(&[0x00; 1000]),
        upgraded(&[0x81, 0x05, b'h', b'e', b'l', b'l', b'o']),
        upgraded(&wire::masked(FIN | TEXT, &[0xed, 0xa0, 0x80])),
        upgraded(&wire::masked(TEXT, &[0xf8; 5000])),
        upgraded(&wire::masked(FIN | CONTINUATION, b"of what?")),
        upgraded(&wire::masked(PING, b"in pieces")),
        upgraded(&wire::masked(FIN | PING, &[0; 126])),
        upgraded(&[0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        upgraded(&[0x82, 0xff, 0x00, 0x00, 0x00, 0x00, 0x40, 0x00, 0x00, 0x00]),
        upgraded(&wire::close(1005)),
        upgraded(&wire::masked(FIN | wire::CLOSE, &[3])),
    ]
}

fn serve_both(workers: usize) {
    // The callbacks do not matter here.
    let (make, _) = record_echo();
    let running = Running::start(Server::new(make).workers(workers));
    let address = running.address;
    let done = Arc::new(AtomicBool::new(false));
    let violators: Vec<_> = (0..2)
        .map(|_| {
            let done = done.clone();
            thread::spawn(move || {
                let mut rounds = 0;
                while rounds == 0 || !done.load(Ordering::Relaxed) {
                    for bytes in garbage() {
                        let mut peer = Peer::dial(address);
                        // The server may close before all of it is written.
                        let _ = peer.stream().write_all(&bytes);
                        if rounds % 2 == 0 {
                            let _ = peer.stream().shutdown(Shutdown::Write);
                            peer.drain();
                        } else {
                            peer.reset();
                        }
                    }
                    rounds += 1;
                }
            })
        })
        .collect();
    let well_behaved: Vec<_> = (0..WELL_BEHAVED)
        .map(|number| {
            thread::spawn(move || {
                let mut peer = Peer::connect(address);
                for round in 0..ROUNDS {
                    let messages: Vec<Vec<u8>> =
                        (0..8).map(|index| vec![number ^ index; round * 17 + 1]).collect();
                    let frames: Vec<u8> = messages
                        .iter()
                        .flat_map(|message| wire::masked(FIN | BINARY, message))
                        .collect();
                    peer.send(&frames);
                    for message in messages {
                        assert_eq!(peer.frame(), (FIN | BINARY, message));
                    }
                }
                peer.send(&wire::close(1000));
                assert_eq!(peer.close_code(), 1000);
                peer.end();
            })
        })
        .collect();
    let well_behaved: Vec<_> = well_behaved.into_iter().map(thread::JoinHandle::join).collect();
    done.store(true, Ordering::Relaxed);
    for thread in violators {
        thread.join().unwrap();
    }
    for thread in well_behaved {
        thread.unwrap();
    }
    running.stop();
}

#[test]
fn garbage_disturbs_nobody_else_on_the_worker() {
    serve_both(1);
}

#[test]
fn garbage_disturbs_nobody_else_on_the_server() {
    serve_both(2);
}
