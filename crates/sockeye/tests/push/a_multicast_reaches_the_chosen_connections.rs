//! A multicast is one command for each worker, and each connection receives it in its place.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use sockeye::push::{Connection, Handle, HandleError, Server};
use sockeye::upgrade::Options;
use sockeye::{Client, Deflate, Multicast, Prepared};

use crate::peer::{Peer, TEST_TIMEOUT, wait_until};
use crate::recorder::{Seen, record};
use crate::serving::Running;

/// A server whose worker is busy from a message on, until it is released.
struct Busy {
    running: Running,
    handles: Receiver<Handle>,
    occupied: Receiver<()>,
    release: Sender<()>,
}

impl Busy {
    fn start(max_command_bytes: usize) -> Self {
        let (handle_sender, handles) = channel();
        let ((occupy, occupied), (release, released)) = (channel(), channel());
        let released = Arc::new(Mutex::new(released));
        let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| match seen {
            Seen::Open(_) => handle_sender.send(connection.handle()).unwrap(),
            Seen::Message(_) => {
                occupy.send(()).unwrap();
                released.lock().unwrap().recv_timeout(TEST_TIMEOUT).unwrap();
            }
            _ => {}
        });
        let server = Server::new(make).workers(1).max_command_bytes(max_command_bytes);
        Self { running: Running::start(server), handles, occupied, release }
    }

    fn connect(&self) -> (Peer, Handle) {
        let peer = Peer::connect(self.running.address);
        (peer, self.handles.recv_timeout(TEST_TIMEOUT).unwrap())
    }

    fn occupy(&self, peer: &mut Peer) {
        peer.text("be busy");
        self.occupied.recv_timeout(TEST_TIMEOUT).unwrap();
    }
}

#[test]
fn with_one_command_for_all_of_them() {
    const PEERS: usize = 100;

    // Capacity for twenty single messages.
    let message = Prepared::new("x".repeat(1000));
    let server = Busy::start(20_000);
    let mut connected: Vec<_> = (0..PEERS).map(|_| server.connect()).collect();
    server.occupy(&mut connected[0].0);
    let multicast = || {
        let mut multicast = Multicast::new(message.clone());
        connected.iter().try_for_each(|(_, handle)| handle.try_send_multicast(&mut multicast))
    };
    let mut taken = 0;
    let refused = loop {
        match multicast() {
            Ok(()) => taken += 1,
            Err(error) => break error,
        }
        assert!(taken < 100, "the queue has no limit");
    };
    assert!(matches!(refused, HandleError::Full), "{refused}");
    assert!(taken > 5, "{taken}");
    let unwritten = connected[0].1.unwritten();
    let counted = message.len() + message.len() / 8 + 16;
    assert_eq!(unwritten, taken * counted, "a refused message is not counted");
    server.release.send(()).unwrap();
    for (peer, _) in &mut connected {
        for _ in 0..taken {
            assert_eq!(peer.message().len(), message.len());
        }
    }
    server.running.stop();
}

#[test]
fn in_order_with_other_messages_whoever_else_receives_them() {
    let server = Busy::start(64 << 20);
    let mut connected: Vec<_> = (0..4).map(|_| server.connect()).collect();
    server.occupy(&mut connected[0].0);
    let mut expected = vec![Vec::new(); connected.len()];
    // Lists that follow each other are equal, overlap, or contain a connection twice.
    let lists: [&[usize]; 7] =
        [&[0, 1, 2, 3], &[0, 1, 2, 3], &[2, 0], &[], &[3, 2, 3], &[0], &[0, 1, 2, 3]];
    for number in 0..60 {
        let length = [10, 3000, 20_000][number % 3];
        let text = format!("{number:length$}");
        match number % 4 {
            3 => {
                connected[1].1.broadcast(&*text).unwrap();
                for expected in &mut expected {
                    expected.push(text.clone());
                }
            }
            2 => {
                connected[2].1.try_send_prepared(&Prepared::new(&*text)).unwrap();
                expected[2].push(text);
            }
            _ => {
                let mut multicast = Multicast::new(Prepared::new(&*text));
                for &index in lists[number % lists.len()] {
                    connected[index].1.try_send_multicast(&mut multicast).unwrap();
                    expected[index].push(text.clone());
                }
                multicast.send();
            }
        }
    }
    server.release.send(()).unwrap();
    for ((peer, _), expected) in connected.iter_mut().zip(&expected) {
        for text in expected {
            assert_eq!(peer.message(), text.as_bytes());
        }
    }
    server.running.stop();
}

#[test]
fn except_those_without_capacity() {
    let (handle_sender, handles) = channel();
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            handle_sender.send(connection.handle()).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(2).max_unwritten(64 * 1024));
    let connect = || {
        let peer = Peer::connect(running.address);
        (peer, handles.recv_timeout(TEST_TIMEOUT).unwrap())
    };
    let ((mut slow, slow_handle), (mut fast, fast_handle)) = (connect(), connect());
    let message = Prepared::new("x".repeat(48 * 1024));
    let (mut taken, mut sent) = (0, 0);
    loop {
        let mut multicast = Multicast::new(message.clone());
        fast_handle.try_send_multicast(&mut multicast).unwrap();
        sent += 1;
        let to_slow = slow_handle.try_send_multicast(&mut multicast);
        multicast.send();
        assert_eq!(fast.message().len(), message.len());
        // The peer may have the message before the worker has noted that it is written.
        wait_until(|| fast_handle.unwritten() == 0);
        match to_slow {
            Ok(()) => taken += 1,
            Err(HandleError::Full) => break,
            Err(error) => panic!("{error}"),
        }
        assert!(sent < 10_000, "the queue has no limit");
    }
    assert!(slow_handle.unwritten() <= 64 * 1024);
    for _ in 0..taken {
        assert_eq!(slow.message().len(), message.len());
    }
    running.stop();
}

#[tokio::test]
async fn compressed_where_that_was_agreed() {
    let (handle_sender, handles) = channel();
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            handle_sender.send(connection.handle()).unwrap();
        }
    });
    let options = Options::new().deflate(Deflate::new());
    let running = Running::start(Server::new(make).workers(2).options(options));
    let mut plain = Client::new(running.url()).connect().await.unwrap();
    let mut compressing =
        Client::new(running.url()).deflate(Deflate::new()).connect().await.unwrap();
    let both: Vec<Handle> = (0..2).map(|_| handles.recv_timeout(TEST_TIMEOUT).unwrap()).collect();
    for length in [0, 20, 2000, 40_000] {
        let text = "compressible ".repeat(length / 10);
        let mut multicast = Multicast::new(Prepared::new(&*text));
        for handle in &both {
            handle.try_send_multicast(&mut multicast).unwrap();
        }
        // Dropping it sends it.
        drop(multicast);
        for client in [&mut plain, &mut compressing] {
            assert_eq!(client.recv().await.unwrap(), Some(text.clone().into()));
        }
    }
    // These clients would not answer a close frame.
    drop((plain, compressing));
    running.stop();
}
