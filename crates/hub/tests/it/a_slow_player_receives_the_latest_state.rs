//! The example `game_state`.

#[allow(dead_code, reason = "its main is not called")]
#[path = "../../examples/game_state.rs"]
mod game_state;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread::JoinHandle;

use serde_json::Value;
use socket2::SockRef;
use sockeye::push::{Server, ServerHandle};
use sockeye::{Client, WebSocket};
use tokio::net::TcpSocket;

use crate::support::line;
use game_state::Game;

const ASTEROIDS: usize = 100;

struct Serving {
    game: Game,
    address: SocketAddr,
    server_handle: ServerHandle,
    server: JoinHandle<sockeye::Result<()>>,
}

impl Serving {
    fn start() -> Self {
        let game = Game::new(i32::try_from(ASTEROIDS).unwrap());
        let handlers = game.handlers();
        let server = Server::new(move || handlers.clone()).workers(2).max_unwritten(16 * 1024);
        let listening = server.listen("127.0.0.1:0").unwrap();
        let (address, server_handle) = (listening.local_addr().unwrap(), listening.handle());
        let server = std::thread::spawn(move || listening.run());
        Self { game, address, server_handle, server }
    }

    /// Waits until a room has a number of sessions.
    async fn wait_for(&self, room: &str, sessions: usize) {
        while self.game.hub.room(room).sessions().unwrap().len() != sessions {
            tokio::task::yield_now().await;
        }
    }

    /// Returns the number of publications that newer ones have superseded, for each session.
    fn superseded(&self) -> Vec<u64> {
        let sessions = self.game.hub.sessions();
        sessions.iter().map(|session| session.metrics().publications.superseded).collect()
    }

    async fn stop(self) {
        self.server_handle.stop();
        let server = self.server;
        tokio::task::spawn_blocking(move || server.join().unwrap()).await.unwrap().unwrap();
    }
}

/// The states of the bodies, as a client knows them.
#[derive(Default)]
struct States {
    bodies: BTreeMap<String, Value>,
    received: usize,
}

impl States {
    async fn receive(&mut self, ws: &mut WebSocket) -> Value {
        let state: Value = serde_json::from_str(&line(ws).await).unwrap();
        self.bodies.insert(state["id"].as_str().unwrap().to_owned(), state.clone());
        self.received += 1;
        state
    }
}

/// Connects a client whose system takes little that the client does not read: its receive buffer is
/// small, and so is the server's send buffer, which depends on the size of the segments.
async fn connect_slow(address: SocketAddr) -> WebSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4 * 1024).unwrap();
    SockRef::from(&socket).set_tcp_mss(536).unwrap();
    let stream = socket.connect(address).await.unwrap();
    Client::new(format!("ws://{address}/")).handshake(stream).await.unwrap()
}

#[tokio::test]
async fn while_a_fast_one_receives_every_state() {
    let serving = Serving::start();
    let mut slow = connect_slow(serving.address).await;
    let mut fast = sockeye::connect(&format!("ws://{}/", serving.address)).await.unwrap();
    serving.wait_for("space", 2).await;

    let bodies = ASTEROIDS + 2;
    let (mut slow_states, mut fast_states) = (States::default(), States::default());
    let mut ticks = 0;
    while serving.superseded().iter().sum::<u64>() < 20 * bodies as u64 {
        assert!(ticks < 5_000, "the slow player receives everything, or nothing is superseded");
        serving.game.tick().await.unwrap();
        ticks += 1;
        for _ in 0..bodies {
            fast_states.receive(&mut fast).await;
        }
        assert_eq!(fast_states.bodies.len(), bodies);
    }
    let superseded = serving.superseded();
    assert_eq!(superseded.iter().filter(|count| **count > 0).count(), 1, "{superseded:?}");
    assert_eq!(fast_states.received, ticks * bodies);

    while slow_states.bodies != fast_states.bodies {
        slow_states.receive(&mut slow).await;
    }
    let superseded = usize::try_from(serving.superseded().iter().sum::<u64>()).unwrap();
    assert_eq!(slow_states.received + superseded, ticks * bodies);

    // A player steers, and leaves.
    fast.send("3 0").await.unwrap();
    let ship = loop {
        serving.game.tick().await.unwrap();
        let mut moved = None;
        for _ in 0..bodies {
            let state = slow_states.receive(&mut slow).await;
            let is_ship = !state["id"].as_str().unwrap().starts_with("asteroid");
            moved = moved.or((is_ship && state["x"] != 0).then_some(state));
        }
        if let Some(ship) = moved {
            break ship;
        }
    };
    assert_eq!(ship["x"], 3);
    assert_eq!(ship["y"], 0);
    fast.close(1000, "").await.unwrap();
    serving.wait_for("space", 1).await;
    serving.game.tick().await.unwrap();
    let mut gone = Vec::new();
    for _ in 0..bodies {
        let state = slow_states.receive(&mut slow).await;
        if state["gone"] == true {
            gone.push(state["id"].clone());
        }
    }
    assert_eq!(gone, [ship["id"].clone()]);
    serving.stop().await;
}

#[tokio::test]
async fn and_one_with_a_map_receives_a_few_of_each_body() {
    const TICKS: u64 = 100;

    let serving = Serving::start();
    let mut map = sockeye::connect(&format!("ws://{}/map", serving.address)).await.unwrap();
    serving.wait_for("map", 1).await;
    let mut states = States::default();
    for _ in 0..TICKS {
        serving.game.tick().await.unwrap();
    }
    // The first state of each body, then the latest one, and those of a slow machine between them.
    let last = 37 + 2 * TICKS;
    while states.bodies.get("asteroid 1").is_none_or(|state| state["x"] != last) {
        states.receive(&mut map).await;
    }
    assert!(states.received < 50 * ASTEROIDS, "{}", states.received);
    serving.stop().await;
}
