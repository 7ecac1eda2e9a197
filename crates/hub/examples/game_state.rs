//! The state of a game at 30 ticks a second: asteroids drift, players steer ships, and a client
//! that reads too slowly skips to the latest state of each.
//!
//!     cargo run --release -p sockeye-hub --example game_state -- 127.0.0.1:8080
//!
//! A client at `ws://127.0.0.1:8080/` is a player: it receives each state of each body, and sends
//! the speed of its ship, such as `3 -2`. A client at `ws://127.0.0.1:8080/map` receives at most
//! five states of each body a second.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::json;
use sockeye::push::{Callbacks, Server};
use sockeye::upgrade::HostPolicy;
use sockeye_hub::core::Publication;
use sockeye_hub::core::outbox::DeliveryPolicy;
use sockeye_hub::{Disconnect, Hub, RoomOptions, SessionHandle, SessionOptions};
use tokio::runtime::{Handle, Runtime};
use tokio::time::MissedTickBehavior;

const TICK: Duration = Duration::from_nanos(1_000_000_000 / 30);

/// The rooms of players, and of clients with a map.
const SPACE: &str = "space";
const MAP: &str = "map";

/// The width and height of space, which has no borders.
const SIZE: i32 = 1_000;
const MAX_SPEED: i32 = 10;

/// A ship or an asteroid.
#[derive(Clone, Debug, Default)]
struct Body {
    x: i32,
    y: i32,
    dx: i32,
    dy: i32,
    is_gone: bool,
}

#[derive(Clone)]
pub(crate) struct Game {
    pub(crate) hub: Hub,
    bodies: Arc<Mutex<BTreeMap<String, Body>>>,
}

fn main() -> sockeye::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".into());
    let runtime = Runtime::new()?;
    let _context = runtime.enter();
    let game = Game::new(20);
    let handlers = game.handlers();
    let listening = Server::new(move || handlers.clone())
        // Beyond, states wait in the hub, where the latest ones supersede the others.
        .max_unwritten(64 * 1024)
        .allow_hosts(HostPolicy::loopback().allow_addresses())
        .listen(address)?;
    println!("ws://{}/", listening.local_addr()?);
    runtime.spawn(game.run());
    listening.run()
}

impl Game {
    pub(crate) fn new(asteroids: i32) -> Self {
        let hub = Hub::builder()
            .rooms(|room| {
                let interval = Duration::from_millis(200);
                let policy = match room.as_str() {
                    SPACE => DeliveryPolicy::LatestByKey,
                    _ => DeliveryPolicy::Conflate { interval },
                };
                RoomOptions::new().policy(policy).key_tag("body")
            })
            .build();
        let drifting = |number| {
            let (x, y) = (number * 37 % SIZE, number * 59 % SIZE);
            Body { x, y, dx: number % 3 + 1, dy: number % 5 - 2, is_gone: false }
        };
        let bodies = (0..asteroids).map(|number| (format!("asteroid {number}"), drifting(number)));
        Self { hub, bodies: Arc::new(Mutex::new(bodies.collect())) }
    }

    /// Returns the callbacks of the connections. Sessions are those of the hub, as all others are.
    pub(crate) fn handlers(&self) -> Callbacks {
        let (joining, leaving, steering) = (self.clone(), self.clone(), self.clone());
        let runtime = Handle::current();
        Callbacks::new()
            .on_open(move |connection, request| {
                let session = joining.hub.attach(connection.handle(), (), SessionOptions::new());
                connection.set_data(session.clone());
                let room = if request.path() == "/map" { MAP } else { SPACE };
                if room == SPACE {
                    joining.bodies().insert(session.id().to_string(), Body::default());
                }
                runtime.spawn(async move {
                    if let Err(error) = session.join(room).await {
                        eprintln!("{}: {error}", session.id());
                    }
                });
            })
            .on_message(move |connection, message| {
                let Some((dx, dy)) = message.as_text().and_then(parse_speed) else { return };
                let Some(session) = connection.data::<SessionHandle>() else { return };
                if let Some(ship) = steering.bodies().get_mut(&session.id().to_string()) {
                    (ship.dx, ship.dy) = (dx, dy);
                }
            })
            .on_close(move |connection, frame| {
                let Some(session) = connection.data::<SessionHandle>() else { return };
                if let Some(ship) = leaving.bodies().get_mut(&session.id().to_string()) {
                    ship.is_gone = true;
                }
                session.end(&Disconnect::Client(frame.cloned()));
            })
    }

    async fn run(self) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
        loop {
            ticks.tick().await;
            if let Err(error) = self.tick().await {
                eprintln!("{error}");
            }
        }
    }

    /// Moves the bodies, and publishes their states.
    pub(crate) async fn tick(&self) -> sockeye_hub::Result<()> {
        for (id, body) in self.step() {
            let state = json!({ "id": id, "x": body.x, "y": body.y, "gone": body.is_gone });
            let tags = vec![("body".into(), id.into())];
            let publication = Publication { tags, ..Publication::new(state.to_string()) };
            self.hub.room(MAP).publish_with(publication.clone()).await?;
            self.hub.room(SPACE).publish_with(publication).await?;
        }
        Ok(())
    }

    /// Moves the bodies. Those that are gone are returned for the last time.
    fn step(&self) -> BTreeMap<String, Body> {
        let mut bodies = self.bodies();
        for body in bodies.values_mut() {
            body.x = (body.x + body.dx).rem_euclid(SIZE);
            body.y = (body.y + body.dy).rem_euclid(SIZE);
        }
        let states = bodies.clone();
        bodies.retain(|_, body| !body.is_gone);
        states
    }

    fn bodies(&self) -> MutexGuard<'_, BTreeMap<String, Body>> {
        self.bodies.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Parses a speed such as `3 -2`.
fn parse_speed(text: &str) -> Option<(i32, i32)> {
    let (dx, dy) = text.split_once(' ')?;
    let parse = |text: &str| text.parse::<i32>().ok().map(|d| d.clamp(-MAX_SPEED, MAX_SPEED));
    Some((parse(dx)?, parse(dy)?))
}
