//! Ticks fire after the requested time, events arrive in the order in which they were posted, both
//! with access to the connection.

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use sockeye::push::{Callbacks, Connection, HandleError, Server};

use crate::peer::{Peer, TEST_TIMEOUT};
use crate::recorder::{Seen, record};
use crate::serving::Running;
use crate::wire;

const SOON: Duration = Duration::from_millis(20);
const NEVER: Duration = Duration::MAX;

#[test]
fn a_tick_that_asks_for_the_next_is_a_clock() {
    let callbacks = Callbacks::new()
        .on_open(|connection, _| {
            connection.set_data(0_u32);
            connection.tick_after(SOON);
        })
        .on_tick(|connection| {
            let count = connection.data::<u32>().unwrap();
            *count += 1;
            let count = count.to_string();
            connection.send(count.as_str());
            connection.tick_after(SOON);
        });
    let running = Running::start(Server::new(move || callbacks.clone()).workers(1));
    let begin = Instant::now();
    let mut peers: Vec<_> = (0..3).map(|_| Peer::connect(running.address)).collect();
    for count in 1..6 {
        for peer in &mut peers {
            assert_eq!(peer.message(), count.to_string().as_bytes());
        }
    }
    assert!(begin.elapsed() >= 5 * SOON, "they came early");
    running.stop();
}

#[test]
fn the_last_time_that_was_asked_for_counts() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| match seen {
        Seen::Open(_) => {
            connection.tick_after(SOON);
            connection.tick_after(NEVER);
        }
        Seen::Message(message) if message.as_text() == Some("soon") => {
            connection.tick_after(NEVER);
            connection.tick_after(SOON);
        }
        Seen::Message(_) => {
            connection.tick_after(SOON);
            connection.cancel_tick();
        }
        _ => {}
    });
    let running = Running::start(Server::new(make).workers(1));
    let mut put_off = Peer::connect(running.address);
    let put_off_id = log.opened();
    let mut cancelled = Peer::connect(running.address);
    cancelled.text("cancel");
    let mut soon = Peer::connect(running.address);
    soon.text("soon");
    let id = log.wait_for(&Seen::Tick);
    assert_ne!(id, put_off_id);
    // The tick fired once, and for one connection only: the next tick must be requested again.
    soon.text("soon");
    assert_eq!(log.wait_for(&Seen::Tick), id);
    for peer in [&mut put_off, &mut cancelled, &mut soon] {
        peer.send(&wire::close(1000));
        assert_eq!(peer.close_code(), 1000);
    }
    running.stop();
    assert!(log.rest().all(|(_, seen)| seen != Seen::Tick));
}

#[test]
fn a_tick_comes_although_the_connection_is_never_silent() {
    let (make, log) = record(|connection: &mut Connection, seen: &Seen| {
        if let Seen::Open(_) = seen {
            connection.tick_after(SOON);
        }
    });
    let running = Running::start(Server::new(make).workers(1));
    let mut peer = Peer::connect(running.address);
    let messages = wire::text("x").repeat(50);
    loop {
        peer.send(&messages);
        if (0..50).any(|_| log.seen() == Seen::Tick) {
            break;
        }
    }
    running.stop();
}

#[test]
fn events_come_in_order_among_messages_to_their_connection_only() {
    const EACH: u32 = 500;
    let (give, handles) = channel();
    let callbacks = Callbacks::new()
        .on_open(move |connection, _| {
            connection.set_data(Vec::<u32>::new());
            give.send(connection.handle()).unwrap();
        })
        .on_event(|connection, event| {
            let id = connection.id();
            let (of, number) = *event.downcast::<(_, u32)>().unwrap();
            assert_eq!(id, of);
            connection.send(number.to_string().as_str());
        });
    let running = Running::start(Server::new(move || callbacks.clone()).workers(2));
    let mut peers = Vec::new();
    let mut posting = Vec::new();
    for _ in 0..4 {
        peers.push(Peer::connect(running.address));
        let handle = handles.recv_timeout(TEST_TIMEOUT).unwrap();
        posting.push(thread::spawn(move || {
            for number in 0..EACH {
                handle.post((handle.id(), 2 * number)).unwrap();
                handle.send((2 * number + 1).to_string()).unwrap();
            }
            handle
        }));
    }
    for peer in &mut peers {
        for number in 0..2 * EACH {
            assert_eq!(peer.message(), number.to_string().as_bytes());
        }
    }
    let handles: Vec<_> = posting.into_iter().map(|thread| thread.join().unwrap()).collect();
    running.stop();
    // Posting to a closed connection disturbs no other.
    for handle in handles {
        assert!(matches!(handle.post(()), Err(HandleError::Stopped)));
    }
}
