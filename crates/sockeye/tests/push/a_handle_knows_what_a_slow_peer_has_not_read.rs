use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Wake, Waker};
use std::thread::{self, Thread};
use std::time::Instant;

use sockeye::Prepared;
use sockeye::push::{Connection, Handle, HandleError, Server};

use crate::peer::{Peer, TEST_TIMEOUT, wait_until};
use crate::recorder::{Seen, record};
use crate::serving::Running;

const MAX_UNWRITTEN: usize = 64 * 1024;

/// The number of messages, of 1,000 bytes each, which exceed the buffers of both ends.
const COUNT: usize = 24_000;

/// Waits for a future, which needs no runtime.
fn block_on(future: impl Future<Output = ()>) {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let begun = Instant::now();
    while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        assert!(begun.elapsed() < TEST_TIMEOUT, "the worker wakes nobody");
        thread::park_timeout(TEST_TIMEOUT);
    }
}

#[test]
fn and_loses_nothing_that_it_took() {
    let (sender, handles) = mpsc::channel::<Handle>();
    let sender = Mutex::new(sender);
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            sender.lock().unwrap().send(connection.handle()).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let mut peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    let taken = Arc::new(AtomicUsize::new(0));
    let (count, sending) = (taken.clone(), handle.clone());
    let sender = thread::spawn(move || {
        for number in 0..COUNT {
            let message = Prepared::new(format!("{number:1000}"));
            while let Err(error) = sending.try_send_prepared(&message) {
                assert!(matches!(error, HandleError::Full), "{error}");
                assert!(sending.unwritten() <= MAX_UNWRITTEN);
                block_on(sending.wait_for_capacity(message.len()));
            }
            count.fetch_add(1, Ordering::Relaxed);
        }
    });
    // The peer begins to read when the buffers of the system hold a part of the messages.
    wait_until(|| taken.load(Ordering::Relaxed) > COUNT / 100);
    for number in 0..COUNT {
        assert_eq!(peer.message(), format!("{number:1000}").as_bytes());
    }
    sender.join().unwrap();
    wait_until(|| handle.unwritten() == 0);

    // A message of any length is taken by an idle connection.
    let long = Prepared::new("x".repeat(10 * MAX_UNWRITTEN));
    handle.try_send_prepared(&long).unwrap();
    assert_eq!(peer.message().len(), 10 * MAX_UNWRITTEN);

    // A broadcast is not a message of the handle, whatever its length.
    wait_until(|| handle.unwritten() == 0);
    handle.broadcast_prepared(&long).unwrap();
    assert_eq!(peer.message().len(), 10 * MAX_UNWRITTEN);
    handle.try_send_prepared(&Prepared::new("x")).unwrap();
    assert_eq!(peer.message(), b"x");
    wait_until(|| handle.unwritten() == 0);
    handle.try_send_prepared(&long).unwrap();
    assert_eq!(peer.message().len(), 10 * MAX_UNWRITTEN);
    running.stop();
}

#[test]
fn and_wakes_who_waits_when_the_connection_ends() {
    let (sender, handles) = mpsc::channel::<Handle>();
    let sender = Mutex::new(sender);
    let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            sender.lock().unwrap().send(connection.handle()).unwrap();
        }
    });
    let running = Running::start(Server::new(make).workers(1).max_unwritten(MAX_UNWRITTEN));
    let peer = Peer::connect(running.address);
    let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
    let message = Prepared::new("x".repeat(MAX_UNWRITTEN));
    while handle.try_send_prepared(&message).is_ok() {
        // The worker writes until the buffers of the system are full.
        thread::sleep(std::time::Duration::from_millis(1));
    }
    let waiting = thread::spawn(move || {
        // A message that fits while the worker writes.
        while !matches!(handle.try_send_prepared(&message), Err(HandleError::Closed(_))) {
            block_on(handle.wait_for_capacity(message.len()));
        }
    });
    peer.reset();
    waiting.join().unwrap();
    running.stop();
}
