use std::net::SocketAddr;
use std::thread::JoinHandle;

use sockeye::WebSocket;
use sockeye::push::{Callbacks, Server, ServerHandle};
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
