//! The memory of sessions, rooms and memberships of a node, the time of joins and leaves, the
//! memory of rooms with history, and a storm of recoveries: all members of a room return at once.
//!
//! ```text
//! cargo bench -p sockeye-hub --bench sessions
//! ```
//!
//! The sessions have no connections: their messages go nowhere.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use sockeye::split::TrySendError;
use sockeye::{CapacityFuture, CloseCode, Outlet, Prepared, UsageError};
use sockeye_hub::bus::{Bus, BusFuture, EventSender, Local, Source};
use sockeye_hub::core::history::{Page, Range, Retention};
use sockeye_hub::core::{Epoch, NodeId, Position, Publication, RoomName};
use sockeye_hub::{
    Disconnect, Hub, JoinOptions, Recovered, RoomOptions, SessionHandle, SessionOptions,
};
use tokio::runtime::Builder;
use tokio::task::{JoinSet, yield_now};

use support::{CpuTime, Random, allocated, per, print};

const SESSIONS: usize = 100_000;
const ROOMS: u32 = 200_000;
const MEMBERSHIPS: usize = 1_000_000;

/// The clients that return at once, and the publications that each has missed.
const RETURNING: usize = 5_000;
const MISSED: usize = 1_000;

fn main() {
    let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        memberships().await;
        histories().await;
        storm().await;
    });
}

async fn memberships() {
    println!("{SESSIONS} sessions, {ROOMS} rooms and {MEMBERSHIPS} memberships");
    let hub: Hub = Hub::builder().build();
    let before = allocated();
    let started = CpuTime::now();
    let sessions: Vec<SessionHandle> =
        (0..SESSIONS).map(|_| hub.attach(Nowhere, (), SessionOptions::new())).collect();
    per("a session that begins", started.elapsed(), SESSIONS);
    let empty = allocated();
    print("a session without rooms", each(empty - before, SESSIONS), "B");

    let mut random = Random(1);
    let started = CpuTime::now();
    for room in 0..ROOMS {
        join(&sessions, &mut random, room).await;
    }
    per("a join that creates a room", started.elapsed(), ROOMS as usize);
    let rooms = allocated();
    print("a room with one membership", (rooms - empty) / f64::from(ROOMS), "B");
    let count = MEMBERSHIPS - ROOMS as usize;
    let started = CpuTime::now();
    for _ in 0..count {
        let room = random.below(ROOMS);
        join(&sessions, &mut random, room).await;
    }
    per("a further join", started.elapsed(), count);
    let memberships = hub.metrics().memberships - ROOMS as usize;
    print("a further membership", each(allocated() - rooms, memberships), "B");

    let started = CpuTime::now();
    for session in &sessions {
        session.end(&Disconnect::Client(None));
    }
    per("a session that ends, with ten memberships", started.elapsed(), SESSIONS);
    drop(sessions);
    // The task of the bus forgets the rooms.
    while hub.metrics().rooms > 0 {
        yield_now().await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
    print("what remains when all have ended", (allocated() - before) / 1e6, "MB");
}

async fn histories() {
    println!("{SESSIONS} sessions and {ROOMS} rooms with history");
    let hub: Hub =
        Hub::builder().rooms(|_| RoomOptions::new().history(Retention::default())).build();
    let sessions: Vec<SessionHandle> =
        (0..SESSIONS).map(|_| hub.attach(Nowhere, (), SessionOptions::new())).collect();
    let empty = allocated();
    let mut random = Random(1);
    let started = CpuTime::now();
    for room in 0..ROOMS {
        join(&sessions, &mut random, room).await;
    }
    per("a join that creates a room", started.elapsed(), ROOMS as usize);
    print("a room with one membership", (allocated() - empty) / f64::from(ROOMS), "B");
}

async fn join(sessions: &[SessionHandle], random: &mut Random, room: u32) {
    let session = u32::try_from(sessions.len()).expect("fewer than four billion");
    let session = &sessions[random.below(session) as usize];
    session.join(&*format!("room:{room:015}")).await.expect("there are no limits");
}

async fn storm() {
    println!(
        "{RETURNING} sessions of a room return at once, and have missed {MISSED} publications"
    );
    let bus = Counting::default();
    let retention = Retention { count: 2 * MISSED, bytes: 64 << 20, ..Retention::default() };
    let hub: Hub = Hub::builder()
        .bus(bus.clone())
        .rooms(move |_| RoomOptions::new().history(retention))
        .build();
    let first = hub.attach(Nowhere, (), SessionOptions::new());
    let position = first.join("room").await.expect("the bus is local").position;
    let position = position.expect("the room has a history");
    for _ in 0..MISSED {
        hub.room("room").publish("x".repeat(128)).await.expect("the bus is local");
        yield_now().await;
    }
    let outlets: Vec<_> = (0..RETURNING).map(|_| Received::default()).collect();
    let (reads, started, wall) = (bus.reads(), CpuTime::now(), Instant::now());
    let mut joins = JoinSet::new();
    for outlet in &outlets {
        let session = hub.attach(outlet.clone(), (), SessionOptions::new());
        joins.spawn(async move {
            let joined = session.join_with("room", JoinOptions::new().from(position)).await;
            assert_eq!(joined.expect("the bus is local").recovery, Recovered::All);
        });
    }
    while let Some(joined) = joins.join_next().await {
        joined.expect("the task does not panic");
    }
    for outlet in &outlets {
        while outlet.0.load(Ordering::Relaxed) < MISSED {
            yield_now().await;
        }
    }
    let (cpu, wall) = (started.elapsed(), wall.elapsed());
    print("reads of the store", count(bus.reads() - reads), "");
    print("the time on the wall", wall.as_secs_f64() * 1e3, "ms");
    per("the processor time of a publication", cpu, RETURNING * MISSED);
}

fn each(value: f64, number: usize) -> f64 {
    value / count(number)
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).expect("some millions"))
}

/// An outlet that drops messages.
#[derive(Clone, Copy, Debug)]
struct Nowhere;

/// An outlet that counts messages.
#[derive(Clone, Debug, Default)]
struct Received(Arc<AtomicUsize>);

macro_rules! impl_outlet {
    ($outlet:ty, $on_message:expr) => {
        impl Outlet for $outlet {
            fn try_send_prepared(&self, _: &Prepared) -> Result<(), TrySendError<()>> {
                $on_message(self);
                Ok(())
            }

            fn wait_for_capacity(&self, _: usize) -> CapacityFuture<'_> {
                Box::pin(async {})
            }

            fn close(&self, _: CloseCode, _: &str) -> Result<(), UsageError> {
                Ok(())
            }

            fn abort(&self) {}

            fn is_closed(&self) -> bool {
                false
            }
        }
    };
}

impl_outlet!(Nowhere, |_: &Self| {});
impl_outlet!(Received, |outlet: &Self| {
    outlet.0.fetch_add(1, Ordering::Relaxed);
});

/// A bus that counts the reads.
#[derive(Clone, Debug, Default)]
struct Counting {
    inner: Local,
    reads: Arc<AtomicUsize>,
}

impl Counting {
    fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }
}

impl Bus for Counting {
    fn attach(&self, node: NodeId, events: EventSender) {
        self.inner.attach(node, events);
    }

    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        self.inner.publish(room, publication, retention)
    }

    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        self.inner.subscribe(room, retention)
    }

    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.inner.unsubscribe(room)
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        source: Source,
    ) -> BusFuture<'a, Page> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        self.inner.read(room, retention, range, source)
    }

    fn top<'a>(&'a self, room: &'a RoomName, retention: &'a Retention) -> BusFuture<'a, Position> {
        self.inner.top(room, retention)
    }

    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        expected: Epoch,
    ) -> BusFuture<'a, Position> {
        self.inner.replace_epoch(room, retention, expected)
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.inner.remove_history(room)
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        self.inner.send(to, bytes)
    }
}
