//! `Outlet` behaves alike for a task's connection and for a connection of the handler server.

use std::net::SocketAddr;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sockeye::push::{Connection, Server};
use sockeye::split::TrySendError;
use sockeye::{CloseCode, Multicast, Outlet, Prepared, UsageError, WebSocket};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::peer::{Peer, TEST_TIMEOUT};
use crate::recorder::{Seen, record};
use crate::serving::Running;
use crate::wire;

/// Capacity of the queue behind each outlet, in bytes.
const CAPACITY: u32 = 1 << 20;

/// A server that hands out an outlet of each connection.
struct Served {
    address: SocketAddr,
    outlets: Receiver<Box<dyn Outlet>>,
    server: RunningServer,
}

enum RunningServer {
    Tasks(Runtime),
    /// With the signal that the worker is busy, and the signal that ends it.
    Push(Running, Receiver<()>, Sender<()>),
}

impl Served {
    fn by_tasks() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(sockeye::Server::bind("127.0.0.1:0")).unwrap();
        let address = server.local_addr().unwrap();
        let (outlet_sender, outlets) = channel();
        let handler = move |ws: WebSocket| {
            let outlet_sender: Sender<Box<dyn Outlet>> = outlet_sender.clone();
            async move {
                let queue = sockeye::split::SendQueue::new().capacity(CAPACITY);
                let (sender, mut receiver) = ws.split_with(queue);
                outlet_sender.send(Box::new(sender)).unwrap();
                while receiver.recv().await?.is_some() {}
                Ok::<_, sockeye::Error>(())
            }
        };
        runtime.spawn(server.serve(handler));
        Self { address, outlets, server: RunningServer::Tasks(runtime) }
    }

    fn by_push() -> Self {
        let (outlet_sender, outlets) = channel::<Box<dyn Outlet>>();
        let ((occupy, busy), (release, released)) = (channel(), channel::<()>());
        let released = Arc::new(Mutex::new(released));
        let (make, _log) = record(move |connection: &mut Connection, seen: &Seen| match seen {
            Seen::Open(_) => outlet_sender.send(Box::new(connection.handle())).unwrap(),
            Seen::Message(_) => {
                occupy.send(()).unwrap();
                released.lock().unwrap().recv_timeout(TEST_TIMEOUT).unwrap();
            }
            _ => {}
        });
        // The peers of a server that stops do not answer its close frames.
        let soon = Duration::from_millis(100);
        let server = Server::new(make)
            .workers(1)
            .max_command_bytes(CAPACITY as usize)
            .shutdown_timeout(soon);
        let running = Running::start(server);
        Self {
            address: running.address,
            outlets,
            server: RunningServer::Push(running, busy, release),
        }
    }

    fn all() -> [Self; 2] {
        [Self::by_tasks(), Self::by_push()]
    }

    fn connect(&self) -> (Peer, Box<dyn Outlet>) {
        let peer = Peer::connect(self.address);
        let outlet = self.outlets.recv_timeout(TEST_TIMEOUT).unwrap();
        assert!(!outlet.is_closed());
        (peer, outlet)
    }

    /// Fills the queue behind the outlet, while the peer does not read. Returns the number of
    /// messages that were queued.
    fn fill(&self, peer: &mut Peer, outlet: &dyn Outlet, message: &Prepared) -> usize {
        if let RunningServer::Push(_, busy, _) = &self.server {
            peer.text("be busy");
            busy.recv_timeout(TEST_TIMEOUT).unwrap();
        }
        for queued in 0.. {
            match outlet.try_send_prepared(message) {
                Ok(()) => assert!(queued < 10_000, "the queue has no limit"),
                Err(refused) => {
                    assert_eq!(refused, TrySendError::Full(()));
                    return queued;
                }
            }
        }
        unreachable!("the loop ends by a return")
    }

    /// Lets the worker go on, where there is one.
    fn release(&self) {
        if let RunningServer::Push(.., release) = &self.server {
            release.send(()).unwrap();
        }
    }

    fn stop(self) {
        match self.server {
            RunningServer::Tasks(runtime) => drop(runtime),
            RunningServer::Push(running, ..) => drop(running.stop()),
        }
    }
}

/// Waits until the outlet reports the end, and checks that nothing is taken any more.
fn assert_closed(outlet: &dyn Outlet) {
    let begun = Instant::now();
    while !outlet.is_closed() {
        assert!(begun.elapsed() < TEST_TIMEOUT, "{outlet:?} does not report the end");
        thread::yield_now();
    }
    let late = Prepared::new("too late");
    assert_eq!(outlet.try_send_prepared(&late), Err(TrySendError::Closed(())));
    let mut multicast = Multicast::new(late);
    assert_eq!(outlet.try_send_multicast(&mut multicast), Err(TrySendError::Closed(())));
    wait_for_capacity(outlet, 1);
    assert_eq!(outlet.close(CloseCode::NORMAL_CLOSURE, ""), Ok(()));
    outlet.abort();
    assert!(outlet.is_closed());
}

fn wait_for_capacity(outlet: &dyn Outlet, length: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let waiting = async { timeout(TEST_TIMEOUT, outlet.wait_for_capacity(length)).await };
    runtime.block_on(waiting).expect("the outlet has capacity, or is over");
}

#[test]
fn a_multicast_takes_its_place_among_other_messages() {
    for served in Served::all() {
        let mut connected = [served.connect(), served.connect()];
        for number in 0..10 {
            let mut multicast = Multicast::new(Prepared::new(format!("{number} to all")));
            for (_, outlet) in &connected {
                outlet.try_send_multicast(&mut multicast).unwrap();
            }
            multicast.send();
            for (_, outlet) in &connected {
                outlet.try_send_prepared(&Prepared::new(number.to_string())).unwrap();
            }
        }
        for (peer, _) in &mut connected {
            for number in 0..10 {
                assert_eq!(peer.message(), format!("{number} to all").as_bytes());
                assert_eq!(peer.message(), number.to_string().as_bytes());
            }
        }
        for (peer, outlet) in connected {
            peer.reset();
            assert_closed(&*outlet);
        }
        served.stop();
    }
}

#[test]
fn a_full_queue_reports_when_it_has_capacity_again() {
    let message = Prepared::new("x".repeat(16 << 10));
    for served in Served::all() {
        let (mut peer, outlet) = served.connect();
        let queued = served.fill(&mut peer, &*outlet, &message);
        let mut multicast = Multicast::new(message.clone());
        assert_eq!(outlet.try_send_multicast(&mut multicast), Err(TrySendError::Full(())));
        served.release();
        let reading = thread::spawn(move || {
            for _ in 0..=queued {
                assert_eq!(peer.message().len(), 16 << 10);
            }
            peer
        });
        while let Err(refused) = outlet.try_send_prepared(&message) {
            assert_eq!(refused, TrySendError::Full(()));
            wait_for_capacity(&*outlet, message.len());
        }
        reading.join().unwrap().reset();
        assert_closed(&*outlet);
        served.stop();
    }
}

#[test]
fn messages_arrive_in_order_and_before_the_close_frame() {
    for served in Served::all() {
        let (mut peer, outlet) = served.connect();
        let refused = outlet.close(CloseCode::NO_STATUS_RCVD, "a reason");
        assert_eq!(refused, Err(UsageError::InvalidCloseCode { code: CloseCode::NO_STATUS_RCVD }));
        let too_long = outlet.close(CloseCode::TRY_AGAIN_LATER, &"x".repeat(124));
        assert_eq!(too_long, Err(UsageError::ControlTooLong { length: 126 }));
        for number in 0..10 {
            outlet.try_send_prepared(&Prepared::new(number.to_string())).unwrap();
        }
        outlet.close(CloseCode::TRY_AGAIN_LATER, "busy").unwrap();
        outlet.close(CloseCode::NORMAL_CLOSURE, "the second does not count").unwrap();
        for number in 0..10 {
            assert_eq!(peer.message(), number.to_string().as_bytes());
        }
        assert_eq!(peer.close_frame(), (1013, "busy".to_owned()));
        peer.send(&wire::close(1013));
        peer.end();
        assert_closed(&*outlet);
        served.stop();
    }
}

#[test]
fn an_abort_ends_the_connection_without_a_close_frame() {
    for served in Served::all() {
        let (mut peer, outlet) = served.connect();
        outlet.try_send_prepared(&Prepared::new("hello")).unwrap();
        assert_eq!(peer.message(), b"hello");
        outlet.abort();
        peer.end();
        assert_closed(&*outlet);
        served.stop();
    }
}

#[test]
fn a_full_queue_refuses_messages_but_no_close_frame() {
    let message = Prepared::new("x".repeat(16 << 10));
    for served in Served::all() {
        let (mut peer, outlet) = served.connect();
        let queued = served.fill(&mut peer, &*outlet, &message);
        assert!(queued >= CAPACITY as usize / (32 << 10), "only {queued} messages are queued");
        assert!(!outlet.is_closed());
        outlet.close(CloseCode::TRY_AGAIN_LATER, "too slow").unwrap();
        served.release();
        for _ in 0..queued {
            assert_eq!(peer.message().len(), message.len());
        }
        assert_eq!(peer.close_frame(), (1013, "too slow".to_owned()));
        peer.send(&wire::close(1013));
        peer.end();
        assert_closed(&*outlet);
        served.stop();
    }
}

#[test]
fn a_full_queue_refuses_no_abort() {
    let message = Prepared::new("x".repeat(16 << 10));
    for served in Served::all() {
        let (mut peer, outlet) = served.connect();
        served.fill(&mut peer, &*outlet, &message);
        outlet.abort();
        served.release();
        peer.drain();
        assert_closed(&*outlet);
        served.stop();
    }
}

#[test]
fn a_peer_that_is_gone_and_a_server_that_has_stopped_are_reported() {
    for served in Served::all() {
        let (peer, lost) = served.connect();
        peer.reset();
        assert_closed(&*lost);
        let (mut peer, closed) = served.connect();
        peer.send(&wire::close(1000));
        assert_eq!(peer.close_code(), 1000);
        assert_closed(&*closed);
        let (_peer, open) = served.connect();
        served.stop();
        assert_closed(&*open);
    }
}
