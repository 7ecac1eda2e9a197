//! The bus over Redis: one server, Redis Sentinel, or Redis Cluster.
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
//! # Deployments
//! The URL says where the servers are; [`Redis::connect`] has all of its forms.
//!
//! | scheme | servers |
//! |---|---|
//! | `redis`, `unix` | one server |
//! | `redis+sentinel` | the primary that Redis Sentinel names, and after a failover its successor |
//! | `redis+cluster` | Redis Cluster: rooms are divided among the primaries |
//! | the same with `rediss` | the same with TLS, also to sentinels |
//!
//! Servers are Redis from version 6.2, in a cluster from 7.0, or compatible ones, with
//! `maxmemory-policy noeviction`: an evicted history is told to clients as a gap. The address of
//! one server may be one that follows the primary, such as a proxy's: the bus connects again when
//! the server has become a replica.
//!
//! In a cluster, each room belongs to one of 256 partitions. The hash tag of the partition is in
//! all names of the room, so that its history is in one slot and one script publishes. Publications
//! and messages between nodes use sharded channels, and reach no server that does not serve their
//! slot.
//!
//! TLS uses rustls with ring, and trusts the roots of the system, or those in the file that
//! `SSL_CERT_FILE` or the URL's `ca_file` names. A certificate is for the host of the URL, and in
//! a cluster for the hosts that `CLUSTER SLOTS` returns: `cluster-preferred-endpoint-type hostname`
//! where it is not for addresses.
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
//! nodes. In a cluster, the hash tag of the partition follows the prefix, as in
//! `sockeye:{p17}m:R`, and a node's messages have the partition of the node.
//!
//! # Memory
//! A history is bounded by its retention, and its ids by 5 minutes. The number of rooms is not: a
//! client that may publish to rooms of its own invention, or join them, adds the keys of one room
//! with each, some 400 bytes for up to 30 days beside the publications. `maxmemory` bounds all of
//! them. Once it is reached, publications fail with [`BusError::Broker`] until something expires,
//! and nothing is lost silently. Let clients into rooms that the application knows only, by the
//! hub's hooks or namespaces, and watch `used_memory`.
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
//!
//! The link is to all primaries of a cluster: it is down while one of them is. A cluster with the
//! default `cluster-require-full-coverage` refuses all keys at that time as well.
//!
//! When a slot has moved to another server, or a sentinel names another primary, new connections
//! are made while the present ones are used, and the node is told that the link was down and is up.
//! Publications to rooms of a slot that is being moved wait until it has moved, and may time out.
//! Histories of the slot are read where their keys are, also while it is being moved.

mod cluster;
mod connection;
mod connections;
mod error;
mod importing;
mod keys;
mod link;
mod options;
mod outlet;
mod partition;
mod payload;
mod primary;
mod refusal;
mod scripts;
mod sentinels;
mod servers;
mod state;
mod tls;
mod url;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use redis::Cmd;
use tokio::task::AbortHandle;

pub use error::ConnectError;
pub use options::{RedisOptions, RedisOptionsError};
pub use tls::RedisTlsError;
pub use url::RedisUrlError;

use super::{Bus, BusError, BusFuture, EventSender, Source, codec};
use crate::core::history::{Direction, ID_WINDOW, Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};
use crate::random;
use connections::Route;
use link::{BoundsOf, Link, Repeat};
use partition::Partition;
use scripts::LoadedScript;
use servers::Servers;

/// The maximum of the bounds that scripts are given: the greatest integer that Lua counts to.
const MAX_INTEGER: u64 = 1 << 53;

/// The maximum age of publications, in milliseconds: a hundred years, as Redis refuses an expiry
/// that it cannot add to the current time.
const MAX_AGE: u64 = 100 * 365 * 24 * 3600 * 1000;

/// One node's link to Redis, which connects the nodes and stores the histories. See
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
    /// URL has one of these forms, of which user, password, port and database may be left out:
    ///
    /// ```text
    /// redis://USER:PASSWORD@HOST:PORT/DATABASE
    /// redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/SERVICE/DATABASE
    /// redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT
    /// unix:///PATH
    /// ```
    ///
    /// `rediss` in place of `redis` uses TLS. Hosts of sentinels have the port 26379 by default,
    /// others 6379. Sentinels are asked in turn, and so are the servers of a cluster, of which the
    /// URL need not have all. Parameters, such as `?ca_file=/etc/ca.pem`:
    ///
    /// | parameter | with | meaning |
    /// |---|---|---|
    /// | `ca_file` | TLS | the file with the root certificates, in PEM. Default: those of the system |
    /// | `cert_file`, `key_file` | TLS | the files with the certificate of this client and its key, in PEM. Default: none |
    /// | `sentinel_username`, `sentinel_password` | sentinels | the credentials for the sentinels; user and password are for the servers. Default: none |
    ///
    /// A password, and everything else but the hosts, is percent-encoded where it contains one of
    /// the characters `/?#%@:&`.
    ///
    /// # Errors
    /// If the text is not a URL of this form, a file cannot be used, or the server does not answer
    /// within 3 s, a sentinel or a server that is asked for the cluster within 1 s, refuses the
    /// connection, is too old, or is in another mode. A program that starts before its Redis server
    /// calls this again.
    pub async fn connect(url: &str) -> Result<Self, ConnectError> {
        Self::connect_with(url, RedisOptions::new()).await
    }

    /// Creates a link like [`connect`](Self::connect), with the given settings.
    ///
    /// # Errors
    /// Same as [`connect`](Self::connect), and for settings out of their ranges.
    pub async fn connect_with(url: &str, options: RedisOptions) -> Result<Self, ConnectError> {
        let servers = Servers::new(url)?;
        options.check(servers.is_cluster()).map_err(ConnectError::Options)?;
        servers.check().await?;
        Ok(Self { link: Arc::new(Link::new(servers, options)), attached: OnceLock::new() })
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

    /// Carries out the call of a room's script.
    async fn run(&self, room: &RoomName, command: &Cmd) -> Result<redis::Value, BusError> {
        self.node()?;
        let route = Route::Commands(Partition::of_room(room));
        self.link.request(command, route, Repeat::Yes, BoundsOf::Operations).await
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
            .arg(codec::encode(publication))
            .arg(keys.publish());
        payload::position(&self.run(room, &command).await?)
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
        payload::page(room, self.run(room, &command).await?, range)
    }

    async fn read_top(&self, room: &RoomName) -> Result<Position, BusError> {
        let command = self.call(&self.link.scripts.top, room);
        payload::position(&self.run(room, &command).await?)
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
            let mut command = redis::cmd(self.link.keys.publish());
            command.arg(self.link.keys.room(room)).arg(payload::live(self.node()?, &publication));
            let route = Route::Commands(Partition::of_room(room));
            self.link.request(&command, route, Repeat::No, BoundsOf::Operations).await?;
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
            payload::position(&self.run(room, &command).await?)
        })
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        Box::pin(async move {
            let command = self.call(&self.link.scripts.remove, room);
            self.run(room, &command).await.map(drop)
        })
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        Box::pin(async move {
            let keys = &self.link.keys;
            let mut command = redis::cmd(keys.publish());
            let from = self.node()?;
            let partition = keys.partition_of_messages(from);
            command.arg(keys.messages(partition, to)).arg(payload::message(from, &bytes));
            let route = Route::Commands(partition);
            let request = self.link.request(&command, route, Repeat::No, BoundsOf::Messages);
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
