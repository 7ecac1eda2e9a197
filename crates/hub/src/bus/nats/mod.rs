//! A bus over NATS: core NATS for live publications and messages of nodes, and a stream of
//! JetStream for the histories of rooms with the same retention.
//!
//! # Positions
//! A publication's offset is its sequence in the stream, which republishes it to the subscribed
//! nodes with the sequence of the room's publication before it. Its tag is random and stored with
//! it. The epoch is the time at which the stream was created, as the first node read it and stored
//! it in the stream: every answer to a node is checked against the stream as it is afterwards. A
//! room without publications has a marker in the stream, which gives it a position; a marker also
//! keeps the position when a history is removed.

mod consumer;
mod error;
mod history;
mod link;
mod options;
mod record;
mod requests;
mod rooms;
mod shared;
mod stream_api;
mod streams;
mod subjects;
mod timestamp;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::ServerAddr;
use bytes::Bytes;
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::timeout;

pub use async_nats::ConnectOptions;
pub use error::NatsError;
pub use options::{NatsOptions, Storage};

use super::{Bus, BusError, BusFuture, EventSender, Source};
use crate::core::history::{Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};
use link::{Link, Signals};
use shared::Shared;

/// The maximum length of the id of a publication, in bytes: servers keep it in memory.
const MAX_ID_LENGTH: usize = 1_024;

/// The bounds of the client's channels, in messages: of what it receives for one subscription, and
/// of what waits to be sent. What does not fit is lost. Of publications and messages it is told as
/// [`BusEvent::Lost`]; a question whose answer was lost is asked again.
///
/// Required: the replies to as many batches as a hub asks for at a time, 128, each with the reply
/// that ends it.
///
/// [`BusEvent::Lost`]: super::BusEvent::Lost
const SUBSCRIPTION_CAPACITY: usize = 128 * (history::BATCH + 1);
const SEND_CAPACITY: usize = 2_048;

/// The client's interval of pings, for a link on which nothing is received or sent.
const PING_INTERVAL: Duration = Duration::from_secs(2);

/// The delays before the client connects again, of which it doubles the first.
const MIN_RECONNECT_DELAY: Duration = Duration::from_millis(50);
const MAX_RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// The bus over a NATS server, or a cluster of them, of version 2.9 or newer. Rooms with history
/// need JetStream.
///
/// A `Nats` is the link of one node: each hub connects its own.
///
/// ```no_run
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// use sockeye_hub::Hub;
/// use sockeye_hub::bus::nats::Nats;
///
/// let hub: Hub = Hub::builder().bus(Nats::connect("nats://127.0.0.1").await?).build();
/// # Ok(())
/// # }
/// ```
///
/// # Histories
/// Rooms with the same [`Retention`] share a stream, up to
/// [`MAX_RETENTIONS`](Self::MAX_RETENTIONS) streams. This node creates a stream that does not
/// exist, and uses one that an operator has created with the same subjects and republishing.
///
/// Of a [`Retention`], its count is exact. Its age is judged when a history is read, by the clocks
/// of the node and of the broker, which have to agree. Its bytes are ignored, as JetStream has no
/// such bound for each room: [`NatsOptions::max_bytes`] bounds all rooms of a stream.
///
/// A page backwards reads the history from its beginning. Of a server before 2.11, the first
/// entries of a page are read one by one, and the others by a consumer.
///
/// # Faults
/// A broker that does not answer for 4 s counts as down. A publication with an id is then published
/// again until [`NatsOptions::retry_for`] has passed. Everything else that was sent fails at once,
/// as nothing is known of it; what was not sent waits for the link for a second. Publications
/// without history and messages of nodes do not wait.
///
/// A stream that was removed is created again, with another epoch. A broker that lost the end of a
/// stream is found by the tags of positions; the epoch stays, as JetStream has no means to replace
/// it. In a cluster this has a limit: the node does not notice that the server which leads a stream
/// restarted, if the node is connected to another server. What a leader that lost the end of its
/// stream publishes then may be believed to follow what was lost, and the loss is not told.
///
/// # Memory
/// The client uses some 8 KiB for each room to which the node is subscribed.
///
/// The broker keeps the histories of all rooms of a retention within
/// [`NatsOptions::max_bytes`]: beyond, it removes the oldest publications, and readers who missed
/// them are told of a gap. Beside it, the broker's own memory has an entry for each room that has
/// publications, for up to [`NatsOptions::positions_kept`], and for each id of the last 5 minutes.
/// Let clients into rooms that the application knows only.
pub struct Nats {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    attached: OnceLock<AbortHandle>,
}

impl Nats {
    /// The maximum number of different retentions of the rooms of a hub.
    pub const MAX_RETENTIONS: usize = 16;

    /// Connects to a server, such as `nats://127.0.0.1:4222`, or to the first that answers of
    /// several that are separated by commas. A name and a password may stand before the host, or a
    /// token: `nats://token@host`. `tls://` uses TLS.
    ///
    /// # Errors
    /// [`BusError::Broker`] if no server can be connected to.
    pub async fn connect(servers: &str) -> Result<Self, BusError> {
        Self::connect_with(servers, NatsOptions::new(), ConnectOptions::new()).await
    }

    /// Connects like [`connect`](Self::connect), with settings of the hub and of the connection,
    /// such as credentials. This function sets the capacities, the delays and the callback for
    /// events of the connection.
    ///
    /// # Errors
    /// Same as [`connect`](Self::connect); [`NatsError::Prefix`] and [`NatsError::PositionsKept`]
    /// for invalid options.
    pub async fn connect_with(
        servers: &str,
        options: NatsOptions,
        connection: ConnectOptions,
    ) -> Result<Self, BusError> {
        options.check()?;
        let (servers, connection) = addresses(servers, connection)?;
        let signals = Arc::new(Signals::default());
        let client = connection
            .subscription_capacity(SUBSCRIPTION_CAPACITY)
            .client_capacity(SEND_CAPACITY)
            .ping_interval(PING_INTERVAL)
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_delay)
            .event_callback({
                let signals = signals.clone();
                move |event| {
                    signals.on_event(&event);
                    std::future::ready(())
                }
            })
            .connect(servers)
            .await
            .map_err(|error| BusError::Broker(Arc::new(error)))?;
        let link = Arc::new(Link::new(client, signals));
        let inbox = link.client.subscribe(link.inbox()).await;
        let inbox = inbox.map_err(|_| BusError::Down)?;
        let mut tasks = JoinSet::new();
        tasks.spawn(link.clone().dispatch_replies(inbox));
        tasks.spawn(link.clone().keep());
        let shared = Arc::new(Shared::new(link, options));
        Ok(Self { shared, tasks, attached: OnceLock::new() })
    }

    /// Checks that the account of the connection may use JetStream, which rooms with history need.
    ///
    /// # Errors
    /// [`NatsError::NoJetStream`] if JetStream is not enabled; [`BusError`] if the broker does not
    /// answer.
    pub async fn check_jetstream(&self) -> Result<(), BusError> {
        self.within(self.shared.link.check_jetstream()).await
    }

    /// Carries out an operation within its time.
    fn within<'a, T>(
        &'a self,
        operation: impl Future<Output = Result<T, BusError>> + Send + 'a,
    ) -> BusFuture<'a, T> {
        let limit = self.shared.options.timeout;
        Box::pin(async move { timeout(limit, operation).await.unwrap_or(Err(BusError::TimedOut)) })
    }
}

impl Bus for Nats {
    fn attach(&self, node: NodeId, events: EventSender) {
        if self.attached.get().is_none() {
            // Nobody attaches two nodes at the same time.
            let _ = self.attached.set(self.shared.attach(node, events));
        }
    }

    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        let shared = &self.shared;
        match retention {
            None => self.within(async move {
                shared.publish_live(room, &publication).await?;
                Ok(None)
            }),
            Some(retention) => Box::pin(async move {
                shared.publish_stored(room, &publication, retention).await.map(Some)
            }),
        }
    }

    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        self.within(async move {
            match retention {
                None => self.shared.subscribe_live(room).await.map(|()| None),
                Some(retention) => self.shared.subscribe_stored(room, retention).await.map(Some),
            }
        })
    }

    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.shared.rooms.remove(room);
        Box::pin(std::future::ready(Ok(())))
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        source: Source,
    ) -> BusFuture<'a, Page> {
        self.within(self.shared.read(room, retention, range, source == Source::Leader))
    }

    fn top<'a>(&'a self, room: &'a RoomName, retention: &'a Retention) -> BusFuture<'a, Position> {
        self.within(self.shared.top(room, retention))
    }

    /// Returns the top: JetStream has no means to replace the epoch of a stream.
    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        _: Epoch,
    ) -> BusFuture<'a, Position> {
        self.top(room, retention)
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.within(self.shared.remove_history(room))
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        self.within(async move { self.shared.send(to, &bytes).await })
    }
}

impl Drop for Nats {
    /// Detaches the node, and ends its connection.
    fn drop(&mut self) {
        if let Some(attached) = self.attached.get() {
            attached.abort();
        }
        self.tasks.abort_all();
        self.shared.rooms.clear();
    }
}

impl fmt::Debug for Nats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Nats")
            .field("up", &self.shared.link.is_up())
            .field("options", &self.shared.options)
            .finish_non_exhaustive()
    }
}

/// Parses the addresses of servers. A name and a password of the first address are for all.
fn addresses(
    servers: &str,
    mut connection: ConnectOptions,
) -> Result<(Vec<ServerAddr>, ConnectOptions), NatsError> {
    let mut addresses = Vec::new();
    for (index, text) in servers.split(',').map(str::trim).enumerate() {
        let address = text.parse::<ServerAddr>();
        addresses.push(address.map_err(|_| NatsError::Address { index })?);
    }
    match addresses.first().map(|address| (address.username(), address.password())) {
        Some((Some(user), Some(password))) => {
            connection = connection.user_and_password(user.into(), password.into());
        }
        Some((Some(token), None)) => connection = connection.token(token.into()),
        _ => {}
    }
    Ok((addresses, connection))
}

fn reconnect_delay(attempt: usize) -> Duration {
    if attempt <= 1 {
        return Duration::ZERO;
    }
    let doublings = u32::try_from(attempt - 2).unwrap_or(u32::MAX).min(16);
    (MIN_RECONNECT_DELAY * 2_u32.pow(doublings)).min(MAX_RECONNECT_DELAY)
}
