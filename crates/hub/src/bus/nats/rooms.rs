mod last_connections;
mod order;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_nats::{Message, Subscriber};
use bytes::{Buf, Bytes};
use tokio::task::AbortHandle;

use super::link::Link;
use super::record::Record;
use super::requests::next_message;
use super::stream_api::header;
use super::streams::RoomStream;
use super::subjects::Class;
use crate::bus::{BusEvent, EventSender, codec};
use crate::core::history::{Entry, Previous};
use crate::core::{NodeId, Publication, RoomName, Tag};
use last_connections::LastConnections;
use order::Order;

/// The rooms that this node is subscribed to. A task for each hands its messages to the node.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    subscriptions: Mutex<HashMap<RoomName, Subscription>>,
}

#[derive(Debug)]
struct Subscription {
    /// The class of the room's history; `None` without one.
    class: Option<Class>,
    task: AbortHandle,
}

impl Drop for Subscription {
    fn drop(&mut self) {
        // The task's subscriber tells the broker.
        self.task.abort();
    }
}

impl Rooms {
    /// Returns whether the node is subscribed to a room with a history of this class.
    pub(super) fn contains(&self, room: &RoomName, class: Option<Class>) -> bool {
        let subscriptions = self.lock();
        let subscription = subscriptions.get(room);
        subscription.is_some_and(|known| known.class == class && !known.task.is_finished())
    }

    /// Subscribes to a room. An earlier subscription to it ends.
    pub(super) fn insert(
        &self,
        room: &RoomName,
        class: Option<Class>,
        task: impl Future<Output = ()> + Send + 'static,
    ) {
        let task = tokio::spawn(task).abort_handle();
        self.lock().insert(room.clone(), Subscription { class, task });
    }

    pub(super) fn remove(&self, room: &RoomName) {
        self.lock().remove(room);
    }

    pub(super) fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<RoomName, Subscription>> {
        // No code panics while it holds the lock.
        self.subscriptions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands the publications of a room without history to the node.
pub(super) async fn follow_live(
    link: Arc<Link>,
    node: NodeId,
    events: EventSender,
    room: RoomName,
    mut subscriber: Subscriber,
) {
    let mut last_connections = LastConnections::default();
    while let Some(message) = next_message(&mut subscriber).await {
        let Some(_admitted) = link.admit().await else { continue };
        let Some((from, mut bytes)) = take_node(message.payload) else { continue };
        let Ok(connection) = bytes.try_get_u64() else { continue };
        if from == node || !last_connections.admits(from, connection) {
            continue;
        }
        if let Some(publication) = codec::decode(bytes) {
            events.send(BusEvent::Live { room: room.clone(), publication: Arc::new(publication) });
        }
    }
}

/// Hands the publications of a room with history to the node.
pub(super) async fn follow_stored(
    link: Arc<Link>,
    events: EventSender,
    room: RoomName,
    stream: Arc<RoomStream>,
    mut subscriber: Subscriber,
) {
    let mut order = Order::new();
    let mut marker = None;
    loop {
        let is_late = tokio::select! {
            message = next_message(&mut subscriber) => {
                let Some(message) = message else { return };
                if link.admit().await.is_some() {
                    if let Some(republished) = Republished::new(message) {
                        order.push(republished.sequence, republished.previous, republished);
                    }
                }
                false
            }
            () = tokio::time::sleep(order::WAIT), if order.is_waiting() => true,
        };
        while let Some(republished) = order.pop(is_late) {
            if let Some(entry) = republished.into_entry(&mut marker) {
                events.send(BusEvent::Stored { room: room.clone(), epoch: stream.epoch(), entry });
            }
        }
    }
}

/// A record that a stream has republished.
struct Republished {
    sequence: u64,
    /// The sequence of the room's record before it; 0 if the stream does not know it.
    previous: u64,
    record: Record,
}

impl Republished {
    fn new(message: Message) -> Option<Self> {
        let sequence = header(&message, "Nats-Sequence")?;
        let previous = header(&message, "Nats-Last-Sequence").unwrap_or(0);
        Some(Self { sequence, previous, record: Record::decode(message.payload)? })
    }

    /// Returns the publication. A marker is kept instead: the publication that follows it follows
    /// the position that the marker keeps.
    fn into_entry(self, marker: &mut Option<(u64, (u64, Tag))>) -> Option<Entry> {
        let Self { sequence, previous, record } = self;
        match record {
            Record::Publication { tag, publication } => {
                let previous = match *marker {
                    Some((at, (offset, tag))) if at == previous => {
                        Some(Previous { offset, tag: Some(tag) })
                    }
                    _ if previous == 0 => None,
                    _ => Some(Previous { offset: previous, tag: None }),
                };
                let publication = Arc::new(publication);
                Some(Entry { offset: sequence, tag, previous, publication })
            }
            record @ Record::Marker { .. } => {
                *marker = Some((sequence, record.place(sequence)));
                None
            }
        }
    }
}

/// Hands the messages of other nodes to this one.
pub(super) async fn follow_nodes(
    link: Arc<Link>,
    node: NodeId,
    events: EventSender,
    mut subscriber: Subscriber,
) {
    while let Some(message) = next_message(&mut subscriber).await {
        let Some(_admitted) = link.admit().await else { continue };
        match take_node(message.payload) {
            Some((from, bytes)) if from != node => {
                events.send(BusEvent::Message { from, bytes });
            }
            _ => {}
        }
    }
}

/// Returns a publication without history, with the node that publishes it and the number of the
/// node's connection in front.
pub(super) fn put_connection(node: NodeId, connection: u64, publication: &Publication) -> Bytes {
    let bytes = codec::encode(publication);
    [&node.0.to_be_bytes()[..], &connection.to_be_bytes()[..], &bytes].concat().into()
}

/// Returns bytes with the node that sends them in front.
pub(super) fn put_node(node: NodeId, bytes: &[u8]) -> Bytes {
    [&node.0.to_be_bytes(), bytes].concat().into()
}

fn take_node(mut bytes: Bytes) -> Option<(NodeId, Bytes)> {
    let node = NodeId(bytes.try_get_u64().ok()?);
    Some((node, bytes))
}
