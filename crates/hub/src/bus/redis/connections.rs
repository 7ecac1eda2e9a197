use std::sync::Arc;

use redis::{Cmd, Pipeline, RedisResult};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::connection::{AbortOnDrop, Connection};
use super::keys::Keys;
use super::partition::Partition;
use super::primary::{ConnectedPrimary, Reader};
use super::state::StateSender;
use super::url::Address;
use crate::bus::EventSender;
use crate::core::RoomName;

/// The number of commands for which Redis answers at a time while a node resubscribes to its rooms.
const BATCH: usize = 500;

/// The connections of a link, which are replaced together: to each primary one for commands, and
/// others to receive what is published.
#[derive(Debug)]
pub(super) struct Connections {
    /// The index of each partition's primary.
    of_partition: Vec<usize>,
    /// One for each primary.
    commands: Vec<Connection>,
    /// The same number for each primary, one primary after the other.
    readers: Vec<Reader>,
    /// The connection to the server that has last been found to import a slot.
    pub(super) importing: Mutex<Option<(Address, Connection)>>,
    pub(super) state: Arc<StateSender>,
    /// The tasks that check the connections.
    pub(super) checks: Vec<AbortOnDrop>,
}

/// The connection that carries out a command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    /// The connection for commands to the primary of a partition.
    Commands(Partition),
    /// The connection that receives what is published in a partition.
    Reader(Partition),
}

impl Connections {
    /// Creates connections to no primary yet.
    pub(super) fn new(of_partition: Vec<usize>, state: Arc<StateSender>) -> Self {
        Self {
            of_partition,
            commands: Vec::new(),
            readers: Vec::new(),
            importing: Mutex::default(),
            state,
            checks: Vec::new(),
        }
    }

    /// Adds the connections to the next primary.
    pub(super) fn add(&mut self, primary: ConnectedPrimary) {
        let ConnectedPrimary { commands, readers, check } = primary;
        self.watch(commands.clone(), check.clone());
        for reader in &readers {
            self.watch(reader.connection.clone(), check.clone());
        }
        self.commands.push(commands);
        self.readers.extend(readers);
    }

    pub(super) fn connection(&self, route: Route) -> &Connection {
        // The indexes are of primaries and readers that were connected to.
        match route {
            Route::Commands(partition) => &self.commands[self.of_partition[partition.index()]],
            Route::Reader(partition) => &self.readers[self.reader_of(partition)].connection,
        }
    }

    fn reader_of(&self, partition: Partition) -> usize {
        let readers = self.readers.len() / self.commands.len();
        self.of_partition[partition.index()] * readers + partition.index() % readers
    }

    /// Carries out commands on each primary.
    pub(super) async fn send_to_all(&self, pipeline: &Pipeline) -> RedisResult<()> {
        let pipelines = std::iter::repeat_n(vec![pipeline.clone()], self.commands.len());
        send_at_once(self.commands.iter().cloned().zip(pipelines).collect()).await
    }

    /// Carries out a command that subscribes to the channels of rooms, or unsubscribes.
    pub(super) async fn for_each_room(
        &self,
        command: &str,
        keys: &Keys,
        rooms: &[RoomName],
    ) -> RedisResult<()> {
        let channels = rooms.iter().map(|room| (Partition::of_room(room), keys.room(room)));
        self.for_each_channel(command, channels).await
    }

    /// Carries out a command with each of the channels, on its reader, in batches.
    pub(super) async fn for_each_channel(
        &self,
        command: &str,
        channels: impl Iterator<Item = (Partition, String)>,
    ) -> RedisResult<()> {
        let mut batches_of = vec![Vec::<Pipeline>::new(); self.readers.len()];
        for (partition, channel) in channels {
            let batches = &mut batches_of[self.reader_of(partition)];
            if batches.last().is_none_or(|last| last.len() >= BATCH) {
                batches.push(redis::pipe());
            }
            if let Some(last) = batches.last_mut() {
                // One command for each: the client expects one reply from each command, and Redis
                // sends one for each channel.
                last.cmd(command).arg(channel);
            }
        }
        let readers = self.readers.iter().map(|reader| reader.connection.clone());
        send_at_once(readers.zip(batches_of).collect()).await
    }

    /// Begins to hand what is published to the node.
    pub(super) fn open(&self, events: &EventSender) {
        for reader in &self.readers {
            reader.outlet.set(Some(events.clone()));
        }
    }

    /// Drops what the connections deliver from now on.
    pub(super) fn close(&self) {
        for reader in &self.readers {
            reader.outlet.set(None);
        }
    }

    /// Checks a connection by a command, in a task that ends with the connections.
    fn watch(&mut self, connection: Connection, check: Cmd) {
        let state = self.state.clone();
        self.checks.push(AbortOnDrop::spawn(async move {
            let error = connection.until_failed(&check).await;
            tracing::debug!(%error, "a connection to Redis failed");
            state.report_error(&error);
        }));
    }
}

/// Carries out pipelines: of each connection one after the other, of all connections at the same
/// time. Fails with the first error.
async fn send_at_once(pipelines_of: Vec<(Connection, Vec<Pipeline>)>) -> RedisResult<()> {
    let mut sending = JoinSet::new();
    for (connection, pipelines) in pipelines_of {
        sending.spawn(async move {
            for pipeline in &pipelines {
                connection.send_all(pipeline).await?;
            }
            RedisResult::Ok(())
        });
    }
    while let Some(sent) = sending.join_next().await {
        sent.map_err(std::io::Error::other)??;
    }
    Ok(())
}
