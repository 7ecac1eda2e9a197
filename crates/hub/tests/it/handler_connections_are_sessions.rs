use std::net::SocketAddr;
use std::thread::JoinHandle;

use sockeye::WebSocket;
use sockeye::push::{Callbacks, Server, ServerHandle};
use sockeye_hub::core::outbox::OutboxLimits;
use sockeye_hub::{Disconnect, Hub, SessionHandle, SessionOptions};

use crate::support::{connect, hub, line};

/// The maximum of unwritten output. Chosen: far less than the buffers of the system.
const MAX_UNWRITTEN: usize = 64 * 1024;

/// A server of connections that are members of a room.
pub(crate) struct Serving {
    address: SocketAddr,
    server_handle: ServerHandle,
    server: JoinHandle<sockeye::Result<()>>,
}

impl Serving {
    /// Serves connections that are members of a room, and whose messages are echoed.
    pub(crate) fn start(hub: &Hub, room: &'static str) -> Self {
        let runtime = tokio::runtime::Handle::current();
        let attached = hub.clone();
        let handlers = Callbacks::new()
            .on_open(move |connection, _| {
                let session = attached.attach(connection.handle(), (), SessionOptions::new());
                connection.set_data(session.clone());
                runtime.spawn(async move { session.join(room).await });
            })
            .on_message(|connection, message| {
                let Some(session) = connection.data::<SessionHandle>() else { return };
                if message.as_bytes() == b"too much" {
                    // The second does not fit the connection's queue.
                    for letter in ["a", "b"] {
                        session.try_send(letter.repeat(MAX_UNWRITTEN / 2 + 1)).unwrap();
                    }
                } else {
                    session.try_send(message).unwrap();
                }
            })
            .on_close(|connection, frame| {
                if let Some(session) = connection.data::<SessionHandle>() {
                    session.end(&Disconnect::Client(frame.cloned()));
                }
            });
        let server = Server::new(move || handlers.clone()).workers(2).max_unwritten(MAX_UNWRITTEN);
        let listening = server.listen("127.0.0.1:0").unwrap();
        let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
        Self { address, server_handle, server: std::thread::spawn(move || listening.run()) }
    }

    /// Connects a client.
    pub(crate) async fn client(&self) -> WebSocket {
        sockeye::connect(&format!("ws://{}/", self.address)).await.unwrap()
    }

    pub(crate) async fn stop(self) {
        self.server_handle.stop();
        let server = self.server;
        tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn in_the_rooms_of_other_connections() {
    let hub: Hub = hub().build();
    let serving = Serving::start(&hub, "lobby");
    let mut handled = serving.client().await;
    assert_eq!(line(&mut handled).await, "lobby joined -");
    let (mut client, session) = connect(&hub).await;
    session.join("lobby").await.unwrap();
    assert_eq!(line(&mut client).await, "lobby joined -");
    hub.room("lobby").publish("hello").await.unwrap();
    assert_eq!(line(&mut handled).await, "lobby - hello");
    assert_eq!(line(&mut client).await, "lobby - hello");
    handled.send("echo").await.unwrap();
    assert_eq!(line(&mut handled).await, "echo");
    handled.close(1000, "").await.unwrap();
    while hub.session_count() > 1 {
        tokio::task::yield_now().await;
    }
    serving.stop().await;
}

#[tokio::test]
async fn and_catch_up_from_the_history_when_they_read_slowly() {
    const COUNT: usize = 2_000;

    let hub: Hub = hub().build();
    let serving = Serving::start(&hub, "log:slow");
    let mut client = serving.client().await;
    assert_eq!(line(&mut client).await, "log:slow joined 0");
    // More than the buffers of the system hold, and less than the history.
    let text = "x".repeat(6 * 1024);
    for number in 1..=COUNT {
        hub.room("log:slow").publish(format!("{number} {text}")).await.unwrap();
        tokio::task::yield_now().await;
    }
    for number in 1..=COUNT {
        let line = line(&mut client).await;
        assert!(line.starts_with(&format!("log:slow {number} {number} x")), "{}", &line[..20]);
    }
    drop(client);
    while hub.session_count() > 0 {
        tokio::task::yield_now().await;
    }
    serving.stop().await;
}

#[tokio::test]
async fn and_their_threads_send_however_slowly_the_client_reads() {
    let hub: Hub = hub().build();
    let serving = Serving::start(&hub, "lobby");
    let mut client = serving.client().await;
    assert_eq!(line(&mut client).await, "lobby joined -");
    client.send("too much").await.unwrap();
    for letter in ["a", "b"] {
        assert!(line(&mut client).await.starts_with(letter));
    }
    serving.stop().await;
}

#[tokio::test]
async fn and_receive_publications_and_replies_in_order() {
    const MEMBERS: usize = 6;
    const COUNT: usize = 200;

    let hub: Hub = hub().build();
    let serving = Serving::start(&hub, "lobby");
    let mut clients = Vec::new();
    for _ in 0..MEMBERS {
        let mut client = sockeye::connect(&format!("ws://{}/", serving.address)).await.unwrap();
        assert_eq!(line(&mut client).await, "lobby joined -");
        clients.push(client);
    }
    let sessions = hub.sessions();
    // Half of the sessions are in a second room.
    for session in &sessions[..MEMBERS / 2] {
        session.join("hall").await.unwrap();
    }
    for number in 0..COUNT {
        hub.room("lobby").publish(number.to_string()).await.unwrap();
        if number % 3 == 0 {
            hub.room("hall").publish(number.to_string()).await.unwrap();
        }
        if number % 5 == 0 {
            sessions[number % MEMBERS].send(number.to_string()).await.unwrap();
        }
        if number % 7 == 0 {
            hub.broadcast(format!("to all {number}")).await.unwrap();
        }
    }
    hub.broadcast("the end").await.unwrap();
    let mut replies = 0;
    let mut in_hall = 0;
    for client in &mut clients {
        let (mut publications, mut hall, mut broadcasts) = (0..COUNT, 0, 0);
        let mut last = 0;
        loop {
            let line = line(client).await;
            if line == "the end" {
                break;
            }
            if line == "hall joined -" {
                in_hall += 1;
                continue;
            }
            let number: usize = line.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(number >= last, "{line} after {last}");
            last = number;
            match line.split(' ').next().unwrap() {
                "lobby" => assert_eq!(Some(number), publications.next()),
                "hall" => hall += 1,
                "to" => broadcasts += 1,
                _ => replies += 1,
            }
        }
        assert!(publications.is_empty());
        assert!(hall == 0 || hall == COUNT.div_ceil(3), "{hall}");
        assert_eq!(broadcasts, COUNT.div_ceil(7));
    }
    assert_eq!((replies, in_hall), (COUNT / 5, MEMBERS / 2));
    assert_eq!(hub.metrics().queued, 0);
    serving.stop().await;
}

#[tokio::test]
async fn and_a_slow_one_misses_what_is_counted_and_delays_nobody() {
    const COUNT: usize = 2_000;

    let mut limits = OutboxLimits::default();
    limits.bytes = 64 * 1024;
    let hub: Hub = hub().outbox_limits(limits).build();
    let serving = Serving::start(&hub, "lobby");
    let url = format!("ws://{}/", serving.address);
    let mut slow = sockeye::connect(&url).await.unwrap();
    assert_eq!(line(&mut slow).await, "lobby joined -");
    let mut fast = sockeye::connect(&url).await.unwrap();
    assert_eq!(line(&mut fast).await, "lobby joined -");
    // More than the buffers of the system hold.
    let text = "x".repeat(6 * 1024);
    for number in 1..=COUNT {
        hub.room("lobby").publish(format!("{number} {text}")).await.unwrap();
        assert!(line(&mut fast).await.starts_with(&format!("lobby - {number} x")));
    }
    let (mut next, mut dropped) = (1, 0);
    while next <= COUNT {
        let line = line(&mut slow).await;
        let words: Vec<_> = line.split(' ').collect();
        if words[1] == "missed" {
            let count = words[2].trim_start_matches("Some(").trim_end_matches(')');
            let count: usize = count.parse().unwrap();
            next += count;
            dropped += count;
        } else {
            assert_eq!(words[2], next.to_string());
            next += 1;
        }
    }
    assert!(dropped > 0);
    let metrics = hub.metrics();
    assert_eq!(metrics.dropped_slow, dropped as u64);
    assert_eq!(metrics.deliveries, 2 * COUNT as u64);
    serving.stop().await;
}
