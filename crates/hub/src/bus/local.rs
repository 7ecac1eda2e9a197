mod store;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use bytes::Bytes;

use super::{Bus, BusError, BusEvent, BusFuture, EventSender, Source};
use crate::core::history::{Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};
use store::Store;

/// The bus within a process, which keeps histories in memory: the default. They are lost with the
/// last clone.
///
/// A history is created by the first publication to its room, or by a subscription, and kept while
/// the room is subscribed to. Without subscribers, it is kept for
/// [30 days](crate::core::history::Log::KEPT_UNUSED) after its last use; a history that was never
/// published to is not kept, and its position still counts. Reading the histories of rooms that
/// have none takes no memory. What is not kept any more is released while other rooms are published
/// or subscribed to.
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
}

/// The state that all nodes share. Publications are stored and handed to the nodes under one lock:
/// all nodes receive them in one order.
#[derive(Default)]
struct Shared {
    store: Store,
    nodes: HashMap<NodeId, EventSender>,
    subscribers: HashMap<RoomName, HashSet<NodeId>>,
}

impl Local {
    /// Creates a bus without nodes and histories.
    pub fn new() -> Self {
        Self { shared: Arc::default(), node: OnceLock::new() }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        // No code panics while it holds the lock.
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn node(&self) -> Result<NodeId, BusError> {
        self.node.get().copied().ok_or(BusError::Down)
    }
}

impl Shared {
    /// Hands an event to the subscribers of a room, except one node.
    fn hand_out(&self, room: &RoomName, event: &BusEvent, except: Option<NodeId>) {
        let nodes = self.subscribers.get(room).into_iter().flatten();
        for node in nodes.filter(|node| Some(**node) != except) {
            if let Some(events) = self.nodes.get(node) {
                events.send(event.clone());
            }
        }
    }

    fn unsubscribe(&mut self, room: &RoomName, node: NodeId) {
        if let Some(nodes) = self.subscribers.get_mut(room) {
            nodes.remove(&node);
            if nodes.is_empty() {
                self.subscribers.remove(room);
            }
        }
    }
}

impl Bus for Local {
    fn attach(&self, node: NodeId, events: EventSender) {
        if self.node.set(node).is_ok() {
            self.lock().nodes.insert(node, events);
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
            let Shared { store, subscribers, .. } = &mut *shared;
            let is_subscribed = |room: &RoomName| subscribers.contains_key(room);
            let now = Instant::now();
            let appended = store.append(now, room, publication, *retention, is_subscribed);
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
            shared.subscribers.entry(room.clone()).or_default().insert(node);
            let Shared { store, subscribers, .. } = &mut *shared;
            let is_subscribed = |room: &RoomName| subscribers.contains_key(room);
            retention.map(|retention| store.keep(Instant::now(), room, *retention, is_subscribed))
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
        Self { shared: self.shared.clone(), node: OnceLock::new() }
    }
}

impl Drop for Local {
    /// Detaches the node.
    fn drop(&mut self) {
        let Some(node) = self.node.get().copied() else { return };
        let mut shared = self.lock();
        shared.nodes.remove(&node);
        shared.subscribers.retain(|_, nodes| {
            nodes.remove(&node);
            !nodes.is_empty()
        });
    }
}

impl fmt::Debug for Local {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Local").field("node", &self.node.get()).finish_non_exhaustive()
    }
}
