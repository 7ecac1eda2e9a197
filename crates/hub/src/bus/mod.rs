//! Buses, which connect the nodes of a hub.
//!
//! | bus | nodes | history |
//! |---|---|---|
//! | [`Local`] | of one process | in memory |
//! | `nats::Nats`, feature `nats` | connected by NATS servers | in streams of JetStream |
//! | `redis::Redis`, feature `redis` | connected by Redis: one server, Sentinel, or a cluster | in streams of Redis |
//!
//! The feature `bus-kit` has a test kit, `kit::Kit`, that checks whether a bus of your own keeps
//! the contract of [`Bus`].

mod boxed;
#[cfg(any(feature = "nats", feature = "redis"))]
mod codec;
mod error;
mod events;
#[cfg(any(test, feature = "bus-kit"))]
pub mod kit;
mod local;
#[cfg(feature = "nats")]
pub mod nats;
#[cfg(feature = "redis")]
pub mod redis;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;

pub use error::BusError;
pub use events::{EventReceiver, EventSender, events};
pub use local::{Local, LocalLimits, LocalMetrics};

use crate::core::history::{Entry, Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};

/// The future that a method of [`Bus`] returns.
pub type BusFuture<'a, T> = Pin<Box<dyn Future<Output = Result<T, BusError>> + Send + 'a>>;

/// One node's link to the other nodes, and to the store of the rooms' histories.
///
/// # Contract
/// * A room with history has one total order, which the store decides: every subscribed node, the
///   publisher's included, receives each stored publication as [`BusEvent::Stored`]. The bus may
///   drop, repeat or reorder these events: the node restores the order, and reads what is missing.
/// * A publication without history reaches the other subscribed nodes as [`BusEvent::Live`], at
///   most once, in the order of its publisher. The publisher's node does not receive it: it has
///   delivered the publication already.
/// * Each room name is taken literally.
/// * When the link breaks, the bus reports [`BusEvent::Down`], restores the link and the
///   subscriptions by itself, and then reports [`BusEvent::Up`].
/// * No future waits without a bound: an operation that cannot be carried out in time fails.
///
/// Dropping the future of an operation does not undo the operation.
pub trait Bus: fmt::Debug + Send + Sync {
    /// Attaches the node to the bus, with the channel for its events. Called once, before every
    /// other method. The bus detaches the node when it is dropped.
    fn attach(&self, node: NodeId, events: EventSender);

    /// Publishes to a room: into its history if there is a `retention`. A publication with an id
    /// that the history has received in the last minutes is not stored again, and gets the position
    /// of the first one.
    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>>;

    /// Subscribes this node to a room, and afterwards returns the top of the room's history.
    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>>;

    /// Ends the subscription to a room. Events that are queued already may follow.
    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()>;

    /// Reads a room's history. One that does not exist has a position as well, which the room's
    /// first publication follows. A slow store may end a page forwards early, after
    /// [`Limit::MIN_PAGE`](crate::core::history::Limit::MIN_PAGE) entries or more.
    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        source: Source,
    ) -> BusFuture<'a, Page>;

    /// Returns the position after the newest publication of a room's history, from the store's
    /// leader.
    fn top<'a>(&'a self, room: &'a RoomName, retention: &'a Retention) -> BusFuture<'a, Position>;

    /// Replaces the epoch of a room's history by a random one if it is still `expected`, because
    /// the store was rolled back. Returns the top, also if another node was faster, or if the store
    /// cannot replace epochs.
    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        expected: Epoch,
    ) -> BusFuture<'a, Position>;

    /// Removes a room's history. Clients that present an earlier position are told of a gap.
    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()>;

    /// Sends bytes to one node, or to all other nodes, at most once.
    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()>;
}

/// The server of a store that answers a read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// Any server, which may lag.
    Any,
    /// The leader, which knows every acknowledged publication.
    Leader,
}

/// An event of a bus for one node.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum BusEvent {
    /// A publication entered the history of a room.
    Stored {
        /// The room.
        room: RoomName,
        /// The epoch of the history.
        epoch: Epoch,
        /// The publication and its place in the history.
        entry: Entry,
    },
    /// Another node published to a room without history.
    Live {
        /// The room.
        room: RoomName,
        /// The publication.
        publication: Arc<Publication>,
    },
    /// Another node sent bytes to this one.
    Message {
        /// The other node.
        from: NodeId,
        /// The bytes.
        bytes: Bytes,
    },
    /// The node did not take its events in time, and some were dropped.
    Lost {
        /// The number of dropped events.
        events: u64,
    },
    /// The link to the other nodes broke.
    Down,
    /// The link works again, and the node is subscribed to its rooms.
    Up,
}
