mod limits;
mod recency;
mod store;
mod subscribers;

use std::collections::HashMap;
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

pub use limits::{LocalLimits, LocalMetrics};

use super::{Bus, BusError, BusEvent, BusFuture, EventSender, Source};
use crate::core::capacity::is_wasteful;
use crate::core::history::{Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};
use store::Store;
use subscribers::Subscribers;

/// The bus within a process, which keeps histories in memory: the default. They are lost with the
/// last clone.
///
/// A history is created by the first publication to its room, or by a subscription, and kept while
/// the room is subscribed to. Without subscribers, it is kept for
/// [30 days](crate::core::history::Log::KEPT_UNUSED) after its last use; a history that was never
/// published to is not kept, and its position still counts. Reading the histories of rooms that
/// have none takes no memory. What has expired is released within a minute, by a task of each node,
/// also if nobody asks for the room.
///
/// All histories together are bounded by [`LocalLimits`]: beyond, those that were not used for
/// longest are evicted, and their readers told of a gap.
///
/// Each clone is the link of one more node: hubs that are built with clones of a bus are nodes of
/// one cluster, as tests of several nodes need them.
///
/// ```
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// use sockeye_hub::Hub;
/// use sockeye_hub::bus::Local;
///
/// let bus = Local::new();
/// let first: Hub = Hub::builder().bus(bus.clone()).build();
/// let second: Hub = Hub::builder().bus(bus).build();
/// assert_ne!(first.node(), second.node());
/// # }
/// ```
pub struct Local {
    shared: Arc<Mutex<Shared>>,
    node: OnceLock<NodeId>,
    /// The task that releases what has expired.
    sweeper: OnceLock<AbortHandle>,
}

/// The time between two steps of the task that releases what has expired.
const SWEEP_INTERVAL: Duration = Duration::from_secs(10);

/// The number of steps in which all rooms are looked at.
const SWEEP_STEPS: usize = 6;

/// The number of rooms that are looked at under one lock. Chosen: some 100 µs.
const SWEPT_AT_ONCE: usize = 1_024;

/// The state that all nodes share. Publications are stored and handed to the nodes under one lock:
/// all nodes receive them in one order.
struct Shared {
    store: Store,
    nodes: HashMap<NodeId, EventSender>,
    subscribers: HashMap<RoomName, Subscribers>,
}

impl Local {
    /// Creates a bus without nodes and histories, with the default limits.
    pub fn new() -> Self {
        Self::with_limits(LocalLimits::default())
    }

    /// Creates a bus without nodes and histories.
    pub fn with_limits(limits: LocalLimits) -> Self {
        Self::of(Arc::new(Mutex::new(Shared {
            store: Store::new(limits),
            nodes: HashMap::new(),
            subscribers: HashMap::new(),
        })))
    }

    /// Returns the number and the size of the histories.
    pub fn metrics(&self) -> LocalMetrics {
        self.lock().store.metrics()
    }

    fn of(shared: Arc<Mutex<Shared>>) -> Self {
        Self { shared, node: OnceLock::new(), sweeper: OnceLock::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        lock(&self.shared)
    }

    fn node(&self) -> Result<NodeId, BusError> {
        self.node.get().copied().ok_or(BusError::Down)
    }
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    // No code panics while it holds the lock.
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Releases what has expired, step by step, until the bus is dropped.
async fn sweep(shared: Weak<Mutex<Shared>>) {
    loop {
        tokio::time::sleep(SWEEP_INTERVAL).await;
        let mut left = None;
        while left != Some(0) {
            let Some(shared) = shared.upgrade() else { return };
            {
                let store = &mut lock(&shared).store;
                let rooms = left.unwrap_or_else(|| store.metrics().rooms.div_ceil(SWEEP_STEPS));
                store.sweep(Instant::now(), rooms.min(SWEPT_AT_ONCE));
                left = Some(rooms.saturating_sub(SWEPT_AT_ONCE));
            }
            drop(shared);
            tokio::task::yield_now().await;
        }
    }
}

impl Shared {
    /// Hands an event to the subscribers of a room, except one node.
    fn hand_out(&self, room: &RoomName, event: &BusEvent, except: Option<NodeId>) {
        let nodes = self.subscribers.get(room).map_or(&[][..], Subscribers::nodes);
        for node in nodes.iter().filter(|node| Some(**node) != except) {
            if let Some(events) = self.nodes.get(node) {
                events.send(event.clone());
            }
        }
    }

    fn unsubscribe(&mut self, room: &RoomName, node: NodeId) {
        if let Some(nodes) = self.subscribers.get_mut(room) {
            if !nodes.remove(node) {
                self.subscribers.remove(room);
                self.store.unsubscribe(room);
                if is_wasteful(self.subscribers.len(), self.subscribers.capacity()) {
                    self.subscribers.shrink_to(self.subscribers.len() * 2);
                }
            }
        }
    }
}

impl Bus for Local {
    fn attach(&self, node: NodeId, events: EventSender) {
        if self.node.set(node).is_ok() {
            self.lock().nodes.insert(node, events);
            // Without a runtime, publications release what has expired.
            if let Ok(runtime) = Handle::try_current() {
                let sweeper = runtime.spawn(sweep(Arc::downgrade(&self.shared)));
                self.sweeper.get_or_init(|| sweeper.abort_handle());
            }
        }
    }

    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        let published = self.node().map(|node| {
            let mut shared = self.lock();
            let Some(retention) = retention else {
                let event = BusEvent::Live { room: room.clone(), publication };
                shared.hand_out(room, &event, Some(node));
                return None;
            };
            let now = Instant::now();
            let appended = shared.store.append(now, room, &publication, *retention);
            if let Some(entry) = appended.entry {
                let epoch = appended.position.epoch;
                let event = BusEvent::Stored { room: room.clone(), epoch, entry };
                shared.hand_out(room, &event, None);
            }
            Some(appended.position)
        });
        Box::pin(ready(published))
    }

    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        let subscribed = self.node().map(|node| {
            let mut shared = self.lock();
            let subscribers = shared.subscribers.entry(room.clone());
            subscribers.and_modify(|nodes| nodes.insert(node)).or_insert(Subscribers::One(node));
            retention.map(|retention| shared.store.subscribe(Instant::now(), room, *retention))
        });
        Box::pin(ready(subscribed))
    }

    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        let unsubscribed = self.node().map(|node| self.lock().unsubscribe(room, node));
        Box::pin(ready(unsubscribed))
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        _: Source,
    ) -> BusFuture<'a, Page> {
        let page = self.lock().store.read(Instant::now(), room, *retention, range);
        Box::pin(ready(Ok(page)))
    }

    fn top<'a>(&'a self, room: &'a RoomName, _: &'a Retention) -> BusFuture<'a, Position> {
        let top = self.lock().store.top(room);
        Box::pin(ready(Ok(top)))
    }

    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        _: &'a Retention,
        expected: Epoch,
    ) -> BusFuture<'a, Position> {
        let top = self.lock().store.replace_epoch(room, expected);
        Box::pin(ready(Ok(top)))
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.lock().store.remove(room);
        Box::pin(ready(Ok(())))
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        let sent = self.node().map(|from| {
            let shared = self.lock();
            let event = BusEvent::Message { from, bytes };
            match to {
                Some(to) => {
                    if let Some(events) = shared.nodes.get(&to) {
                        events.send(event);
                    }
                }
                None => {
                    for (_, events) in shared.nodes.iter().filter(|(node, _)| **node != from) {
                        events.send(event.clone());
                    }
                }
            }
        });
        Box::pin(ready(sent))
    }
}

impl Default for Local {
    fn default() -> Self {
        Self::new()
    }
}

impl Clone for Local {
    /// Returns the link of another node to the same bus.
    fn clone(&self) -> Self {
        Self::of(self.shared.clone())
    }
}

impl Drop for Local {
    /// Detaches the node.
    fn drop(&mut self) {
        let Some(node) = self.node.get().copied() else { return };
        if let Some(sweeper) = self.sweeper.get() {
            sweeper.abort();
        }
        let mut shared = self.lock();
        let Shared { store, nodes, subscribers } = &mut *shared;
        nodes.remove(&node);
        subscribers.retain(|room, nodes| {
            let remain = nodes.remove(node);
            if !remain {
                store.unsubscribe(room);
            }
            remain
        });
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("node", &self.node.get()).finish_non_exhaustive()
    }
}
