//! The bus over Redis.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use sockeye_hub::Hub;
//! use sockeye_hub::bus::redis::Redis;
//!
//! let bus = Redis::connect("redis://127.0.0.1").await?;
//! let hub: Hub = Hub::builder().bus(bus).build();
//! # Ok(())
//! # }
//! ```
//!
//! # Requirements
//! One Redis server from version 6.2, or a server that is compatible, with `maxmemory-policy
//! noeviction`: an evicted history is told to clients as a gap. Redis Cluster is not supported, and
//! Redis Sentinel neither: behind an address that follows the primary, such as a proxy's, the bus
//! reconnects when a server has become a replica. `rediss://` needs the feature `tokio-rustls-comp`
//! of the crate `redis`, which a program enables by a dependency of its own; it is not tested.
//!
//! # What Redis stores
//! With the prefix `sockeye:`, and R for the name of a room:
//!
//! | key | type | content | kept |
//! |---|---|---|---|
//! | `sockeye:m:R` | string | epoch, top, and bookkeeping | 15 to 30 days after the last use, and longer than the publications |
//! | `sockeye:s:R` | stream | the publications; the ids are `OFFSET-TAG` | as the retention says |
//! | `sockeye:i:LENGTH:R:ID` | string | offset and tag of the publication with this id | 5 minutes |
//! | `sockeye:a:RANDOM:R` | string | the same, for a publication without id | 2 × timeout |
//!
//! Channels are `sockeye:r:R` for a room, and `sockeye:n` and `sockeye:n:NODE` for messages between
//! nodes.
//!
//! # Memory
//! A history is bounded by its retention, and its ids by 5 minutes. The number of rooms is not: a
//! client that may publish to rooms of its own invention, or join them, adds the keys of one room
//! with each, some 400 bytes for up to 30 days beside the publications. `maxmemory` bounds all of them. Once it is
//! reached, publications fail with [`BusError::Broker`] until something expires, and nothing is
//! lost silently. Let clients into rooms that the application knows only, by the hub's hooks or
//! namespaces, and watch `used_memory`.
//!
//! # Guarantees
//! | | |
//! |---|---|
//! | a publication with history | is stored once for each id, by one script, in one order, before the publisher's future is ready |
//! | its way to the nodes | at most once by `PUBLISH`; a node reads from the history what it has missed |
//! | a publication without history, a message between nodes | at most once |
//! | a restart from an old snapshot, a failover to a replica that lags, `FLUSHALL` | loses what it loses; the loss is found by tags and epochs, and told as a gap |
//!
//! # Outages
//! A link that breaks, or is silent for 3 to 4 s, is given up and made again after a delay of up
//! to 2 s, with all subscriptions. Operations wait for it until their
//! [timeout](RedisOptions::timeout), up to the [bounds](RedisOptions::max_requests); those that
//! were sent already are sent again, except publications without history and messages between
//! nodes.

mod connections;
mod error;
mod keys;
mod link;
mod options;
mod payload;
mod scripts;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use redis::Cmd;
use tokio::task::AbortHandle;

pub use error::ConnectError;
pub use options::{RedisOptions, RedisOptionsError};

use super::{Bus, BusError, BusFuture, EventSender, Source, codec};
use crate::core::history::{Direction, ID_WINDOW, Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};
use crate::random;
use connections::Server;
use link::{BoundsOf, Link, Repeat};
use scripts::LoadedScript;

/// The maximum of the bounds that scripts are given: the greatest integer that Lua counts to.
const MAX_INTEGER: u64 = 1 << 53;

/// The maximum age of publications, in milliseconds: a hundred years, as Redis refuses an expiry
/// that it cannot add to the current time.
const MAX_AGE: u64 = 100 * 365 * 24 * 3600 * 1000;

/// One node's link to a Redis server, which connects the nodes and stores the histories. See
/// [the module](self).
///
/// A hub takes one link; each node makes its own. Dropping it ends its connections.
pub struct Redis {
    link: Arc<Link>,
    attached: OnceLock<Attached>,
}

/// The node, and the task that keeps the link.
struct Attached {
    node: NodeId,
    task: AbortHandle,
}

impl Redis {
    /// Checks that the server can be used, and creates a link to it with the default settings. The
    /// URL has the form `redis://USER:PASSWORD@HOST:PORT/DATABASE`, or `unix:///PATH`; all but the
    /// host may be left out.
    ///
    /// # Errors
    /// If the text is not a URL of this form, or the server does not answer within 3 s, refuses the
    /// connection, or is too old. A program that starts before its Redis server calls this again.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, RedisOptions::new()).await
    }

    /// Creates a link like [`connect`](Self::connect), with the given settings.
    ///
    /// # Errors
    /// Same as [`connect`](Self::connect), and for settings out of their ranges.
    pub async fn connect_with(url: &str, options: RedisOptions) -> Result<Self, ConnectError> {
        options.check().map_err(ConnectError::Options)?;
        let server = Server::new(url).map_err(ConnectError::Url)?;
        server.check().await?;
        Ok(Self { link: Arc::new(Link::new(server, options)), attached: OnceLock::new() })
    }

    fn node(&self) -> Result<NodeId, BusError> {
        self.attached.get().map(|attached| attached.node).ok_or(BusError::Down)
    }

    /// Begins the call of a script of a room's history, with the epoch that the script needs if
    /// there is no history yet.
    fn call(&self, script: &LoadedScript, room: &RoomName) -> Cmd {
        let keys = &self.link.keys;
        let mut command = script.call(&[keys.meta(room), keys.entries(room)]);
        command.arg(format!("{:x}", random::bits()));
        command
    }

    /// Carries out the call of a script.
    async fn run(&self, command: &Cmd) -> Result<redis::Value, BusError> {
        self.node()?;
        self.link.request(command, None, Repeat::Yes, BoundsOf::Operations).await
    }

    async fn store(
        &self,
        room: &RoomName,
        publication: &Publication,
        retention: &Retention,
    ) -> Result<Position, BusError> {
        let keys = &self.link.keys;
        let (id, window) = match &publication.id {
            Some(id) => (keys.id(room, id), milliseconds(ID_WINDOW)),
            // Long enough for the attempts within this operation.
            None => (keys.attempt(room, random::bits()), milliseconds(2 * self.link.timeout())),
        };
        // 0 is the tag of no publication.
        let tag = (random::bits() >> 32).max(1);
        let keys_of_room = [keys.meta(room), keys.entries(room), id];
        let mut command = self.link.scripts.publish.call(&keys_of_room);
        command
            .arg(format!("{:x}", random::bits()))
            .arg(tag)
            .arg(publication.size())
            .arg(bounded(retention.count))
            .arg(bounded(retention.bytes))
            .arg(milliseconds(retention.age))
            .arg(window)
            .arg(keys.room(room))
            .arg(codec::encode(publication));
        payload::position(&self.run(&command).await?)
    }

    async fn read_page(
        &self,
        room: &RoomName,
        retention: &Retention,
        range: Range,
    ) -> Result<Page, BusError> {
        let mut command = self.call(&self.link.scripts.read, room);
        let (direction, start) = match range.direction {
            Direction::Forwards => ("XRANGE", "-"),
            Direction::Backwards => ("XREVRANGE", "+"),
        };
        let count = range.limit.count.max(crate::core::history::Limit::MIN_PAGE);
        command
            .arg(bounded(retention.bytes))
            .arg(milliseconds(retention.age))
            .arg(direction)
            .arg(range.start.map_or(start.into(), |start| start.to_string()))
            .arg(bounded(count));
        payload::page(room, self.run(&command).await?, range)
    }

    async fn read_top(&self, room: &RoomName) -> Result<Position, BusError> {
        let command = self.call(&self.link.scripts.top, room);
        payload::position(&self.run(&command).await?)
    }
}

impl Bus for Redis {
    /// Attaches the node.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    fn attach(&self, node: NodeId, events: EventSender) {
        self.attached.get_or_init(|| {
            let task = tokio::spawn(self.link.clone().keep(node, events)).abort_handle();
            Attached { node, task }
        });
    }

    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        Box::pin(async move {
            if let Some(retention) = retention {
                return self.store(room, &publication, retention).await.map(Some);
            }
            let mut command = redis::cmd("PUBLISH");
            command.arg(self.link.keys.room(room)).arg(payload::live(self.node()?, &publication));
            self.link.request(&command, None, Repeat::No, BoundsOf::Operations).await?;
            Ok(None)
        })
    }

    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        Box::pin(async move {
            self.node()?;
            self.link.subscribe(room).await?;
            match retention {
                Some(_) => self.read_top(room).await.map(Some),
                None => Ok(None),
            }
        })
    }

    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        Box::pin(async move {
            self.node()?;
            self.link.unsubscribe(room).await
        })
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        _: Source,
    ) -> BusFuture<'a, Page> {
        Box::pin(self.read_page(room, retention, range))
    }

    fn top<'a>(&'a self, room: &'a RoomName, _: &'a Retention) -> BusFuture<'a, Position> {
        Box::pin(self.read_top(room))
    }

    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        _: &'a Retention,
        expected: Epoch,
    ) -> BusFuture<'a, Position> {
        Box::pin(async move {
            let mut command = self.call(&self.link.scripts.replace_epoch, room);
            command.arg(format!("{:x}", expected.0));
            payload::position(&self.run(&command).await?)
        })
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        Box::pin(async move {
            let command = self.call(&self.link.scripts.remove, room);
            self.run(&command).await.map(drop)
        })
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        Box::pin(async move {
            let mut command = redis::cmd("PUBLISH");
            let from = self.node()?;
            command.arg(self.link.keys.messages(to)).arg(payload::message(from, &bytes));
            let request = self.link.request(&command, None, Repeat::No, BoundsOf::Messages);
            request.await.map(drop)
        })
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        if let Some(attached) = self.attached.get() {
            attached.task.abort();
        }
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis")
            .field("node", &self.attached.get().map(|attached| attached.node))
            .field("up", &self.link.is_up())
            .finish_non_exhaustive()
    }
}

/// Returns a bound as scripts take it.
fn bounded(bound: usize) -> u64 {
    u64::try_from(bound).map_or(MAX_INTEGER, |bound| bound.min(MAX_INTEGER))
}

/// Returns a time in milliseconds as scripts take it: 1 at least.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).map_or(MAX_AGE, |time| time.clamp(1, MAX_AGE))
}
