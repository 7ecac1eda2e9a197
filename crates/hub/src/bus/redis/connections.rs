use std::sync::Arc;

use redis::{Cmd, Pipeline, RedisError, RedisResult};
use tokio::sync::{Mutex, watch};
use tokio::task::JoinSet;

use super::connection::{AbortOnDrop, Connection};
use super::keys::Keys;
use super::outlet::Outlet;
use super::partition::Partition;
use super::primary::ConnectedPrimary;
use super::refusal::is_moved;
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

/// A connection that receives what is published.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) connection: Connection,
    pub(super) outlet: Arc<Outlet>,
}

/// The connection that carries out a command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Route {
    /// That for commands to the primary of a partition.
    Commands(Partition),
    /// That which receives what is published in a partition.
    Reader(Partition),
}

/// The usability of connections.
///
/// ```text
/// Usable ──► Moved ──► Broken
///    └──────────────────▲
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum State {
    Usable,
    /// A partition has another primary; the others can be used until there are new connections.
    Moved,
    /// None is to be used any more.
    Broken,
}

/// The state of connections, to which tasks, callbacks and operations report.
#[derive(Debug)]
pub(super) struct StateSender(watch::Sender<State>);

impl StateSender {
    pub(super) fn new() -> Self {
        Self(watch::Sender::new(State::Usable))
    }

    /// Reports a state, unless it is a worse one already.
    pub(super) fn report(&self, state: State) {
        self.0.send_if_modified(|now| {
            let is_worse = state > *now;
            *now = state.max(*now);
            is_worse
        });
    }

    /// Reports the state that an error of a connection tells of.
    pub(super) fn report_error(&self, error: &RedisError) {
        self.report(if is_moved(error) { State::Moved } else { State::Broken });
    }

    pub(super) fn is_broken(&self) -> bool {
        *self.0.borrow() == State::Broken
    }

    /// Waits for a state or a worse one, and returns it.
    pub(super) async fn until(&self, state: State) -> State {
        let mut states = self.0.subscribe();
        // The sender is not dropped before `self`.
        states.wait_for(|now| *now >= state).await.map_or(State::Broken, |now| *now)
    }
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn a_state_becomes_worse_only() {
        let state = StateSender::new();
        assert_eq!(state.until(State::Usable).await, State::Usable);
        state.report(State::Moved);
        assert_eq!(state.until(State::Usable).await, State::Moved);
        let broken = state.until(State::Broken);
        assert!(tokio::time::timeout(Duration::ZERO, broken).await.is_err());
        state.report(State::Broken);
        state.report(State::Moved);
        assert_eq!(state.until(State::Moved).await, State::Broken);
    }
}
