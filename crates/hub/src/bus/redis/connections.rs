use std::hash::{DefaultHasher, Hash, Hasher};
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, ErrorKind, IntoConnectionInfo, Pipeline, ProtocolVersion,
    PushInfo, PushKind, RedisError, RedisResult, ServerErrorKind, Value, cmd,
};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use super::error::ConnectError;
use super::keys::{Channel, Keys};
use super::payload::Payload;
use crate::bus::{BusEvent, EventSender};
use crate::core::{NodeId, RoomName};

/// The time for the handshake of a connection, and for a step of the set-up of a link.
const STEP_TIMEOUT: Duration = Duration::from_secs(3);

/// The time between two checks of a link's connections, and the time for the answers. Together with
/// the 2 s between heartbeats they are less than the lease of the presence, 7 s: a node knows that
/// its link is down before it would take the other nodes for dead.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// The number of commands that wait in front of a connection before their callers wait. Chosen:
/// enough to fill many packets with small commands.
const QUEUE: usize = 1_024;

/// The number of commands for which Redis answers at a time while a node resubscribes to its rooms.
const BATCH: usize = 500;

/// The first version that trims streams by the ids of their entries.
const MIN_VERSION: (u32, u32) = (6, 2);

/// The server that connections are made to.
#[derive(Clone, Debug)]
pub(super) struct Server {
    client: Client,
}

/// The connections of a link, from one failure to the next: one for commands, the others to receive
/// what is published.
#[derive(Debug)]
pub(super) struct Connections {
    commands: MultiplexedConnection,
    /// The number of replies on the connection for commands.
    replies: Arc<AtomicU64>,
    readers: Vec<Reader>,
    /// Notified when a connection is found to be broken.
    broken: Arc<Notify>,
}

#[derive(Debug)]
struct Reader {
    connection: MultiplexedConnection,
    /// The number of replies and pushed messages.
    received: Arc<AtomicU64>,
    outlet: Arc<Outlet>,
}

/// The way of publications from a connection to the node. Redis' client calls it while it reads, so
/// that nothing is queued in between.
#[derive(Debug)]
struct Outlet {
    node: NodeId,
    keys: Arc<Keys>,
    /// `None` once the link is down: what the connection still delivers is dropped, so that it does
    /// not follow [`BusEvent::Down`].
    events: Mutex<Option<EventSender>>,
}

/// The connection that carries out a command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Through {
    Commands,
    Reader(usize),
}

impl Server {
    pub(super) fn new(url: &str) -> RedisResult<Self> {
        let info = url.into_connection_info()?;
        // Pushed publications beside replies need RESP3.
        let settings = info.redis_settings().clone().set_protocol(ProtocolVersion::RESP3);
        let tcp = TcpSettings::default().set_nodelay(true);
        Ok(Self { client: Client::open(info.set_redis_settings(settings).set_tcp_settings(tcp))? })
    }

    /// Connects once, and disconnects: the server exists, and is one that this bus can use.
    pub(super) async fn check(&self) -> Result<(), ConnectError> {
        let mut connection = self.connect(|_| {}).await.map_err(ConnectError::Server)?;
        // A server that still loads its snapshot answers this, and refuses other commands.
        let mut info = cmd("INFO");
        info.arg("server");
        let info = step(info.query_async::<String>(&mut connection)).await;
        let info = info.map_err(ConnectError::Server)?;
        match version(&info) {
            Some(version) if version < MIN_VERSION => Err(ConnectError::TooOld { version }),
            _ => Ok(()),
        }
    }

    async fn connect(
        &self,
        push: impl Fn(PushInfo) + Send + Sync + 'static,
    ) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(STEP_TIMEOUT))
            .set_response_timeout(None)
            .set_pipeline_buffer_size(QUEUE)
            .set_push_sender(move |info| {
                push(info);
                Ok::<(), redis::aio::SendError>(())
            });
        self.client.get_multiplexed_async_connection_with_config(&config).await
    }

    /// Makes the connections of a link, and subscribes to the messages for a node.
    pub(super) async fn link(
        &self,
        node: NodeId,
        keys: &Arc<Keys>,
        readers: usize,
        events: &EventSender,
    ) -> RedisResult<Connections> {
        let broken = Arc::new(Notify::new());
        let notify = broken.clone();
        let commands = self
            .connect(move |info| {
                if info.kind == PushKind::Disconnection {
                    notify.notify_one();
                }
            })
            .await?;
        let mut connections =
            Connections { commands, replies: Arc::default(), readers: Vec::new(), broken };
        for _ in 0..readers {
            let outlet = Arc::new(Outlet {
                node,
                keys: keys.clone(),
                events: Mutex::new(Some(events.clone())),
            });
            let received = Arc::<AtomicU64>::default();
            let (notify, pushed) = (connections.broken.clone(), outlet.clone());
            let progress = received.clone();
            let connect = self.connect(move |info| match info.kind {
                PushKind::Disconnection => notify.notify_one(),
                PushKind::Message => {
                    progress.fetch_add(1, Ordering::Relaxed);
                    pushed.receive(info.data);
                }
                _ => {}
            });
            connections.readers.push(Reader { connection: connect.await?, received, outlet });
        }
        let mut subscribe = redis::pipe();
        for channel in [keys.messages(None), keys.messages(Some(node))] {
            subscribe.cmd("SUBSCRIBE").arg(channel);
        }
        connections.send_all(Through::Reader(0), &subscribe).await?;
        Ok(connections)
    }
}

impl Connections {
    /// Returns the connection that receives what is published to a room.
    pub(super) fn reader_of(&self, room: &RoomName) -> Through {
        reader_of(room, self.readers.len())
    }

    pub(super) fn connection(&self, through: Through) -> MultiplexedConnection {
        match through {
            Through::Commands => self.commands.clone(),
            // The number is a remainder of the number of readers.
            Through::Reader(number) => self.readers[number].connection.clone(),
        }
    }

    /// Carries out commands within [`STEP_TIMEOUT`]. Fails with the first error of a command.
    pub(super) async fn send_all(&self, through: Through, pipeline: &Pipeline) -> RedisResult<()> {
        if pipeline.is_empty() {
            return Ok(());
        }
        let mut connection = self.connection(through);
        let replies = step(connection.send_packed_commands(pipeline, 0, pipeline.len())).await?;
        replies.into_iter().try_for_each(|reply| reply.extract_error().map(drop))
    }

    /// Carries out a command that subscribes to the channels of rooms, or unsubscribes, in batches.
    pub(super) async fn for_each_room(
        &self,
        command: &str,
        keys: &Keys,
        rooms: &[RoomName],
    ) -> RedisResult<()> {
        for number in 0..self.readers.len() {
            let mut pipeline = redis::pipe();
            for room in rooms {
                if !matches!(self.reader_of(room), Through::Reader(of) if of == number) {
                    continue;
                }
                // One command for each: the client expects one reply from each command, and Redis
                // sends one for each channel.
                pipeline.cmd(command).arg(keys.room(room));
                if pipeline.len() == BATCH {
                    self.send_all(Through::Reader(number), &pipeline).await?;
                    pipeline.clear();
                }
            }
            self.send_all(Through::Reader(number), &pipeline).await?;
        }
        Ok(())
    }

    /// Reports that a connection is of no use any more.
    pub(super) fn report_broken(&self) {
        self.broken.notify_one();
    }

    fn progress(&self, through: Through) -> &Arc<AtomicU64> {
        match through {
            Through::Commands => &self.replies,
            // The number is a remainder of the number of readers.
            Through::Reader(number) => &self.readers[number].received,
        }
    }

    /// Notes that a connection has answered a command: it is alive, although the answers to later
    /// commands are late.
    pub(super) fn on_reply(&self, through: Through) {
        self.progress(through).fetch_add(1, Ordering::Relaxed);
    }

    /// Returns once a connection is broken, or does not answer in time.
    pub(super) async fn until_broken(&self) {
        // The checks end with the set.
        let mut checks = JoinSet::new();
        let readers = (0..self.readers.len()).map(Through::Reader);
        for through in std::iter::once(Through::Commands).chain(readers) {
            checks.spawn(until_silent(self.connection(through), self.progress(through).clone()));
        }
        tokio::select! {
            () = self.broken.notified() => {}
            Some(Ok(error)) = checks.join_next() => {
                tracing::debug!(%error, "a connection to Redis failed");
            }
        }
    }

    /// Drops what the connections deliver from now on.
    pub(super) fn close(&self) {
        for reader in &self.readers {
            *reader.outlet.events.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
    }
}

impl Outlet {
    /// Hands what was published to a channel to the node: its name and the payload.
    fn receive(&self, data: Vec<Value>) {
        let Ok([Value::BulkString(channel), Value::BulkString(payload)]) =
            <[Value; 2]>::try_from(data)
        else {
            return;
        };
        let Some(channel) = self.keys.channel(&channel) else { return };
        let Some(payload) = Payload::decode(payload) else {
            tracing::debug!(?channel, "a payload was not understood");
            return;
        };
        let event = match (channel, payload) {
            (Channel::Room(room), Payload::Stored { epoch, entry }) => {
                BusEvent::Stored { room, epoch, entry }
            }
            (Channel::Room(room), Payload::Live { from, publication }) if from != self.node => {
                BusEvent::Live { room, publication }
            }
            (Channel::Messages, Payload::Message { from, bytes }) if from != self.node => {
                BusEvent::Message { from, bytes }
            }
            _ => return,
        };
        if let Some(events) = &*self.events.lock().unwrap_or_else(PoisonError::into_inner) {
            events.send(event);
        }
    }
}

/// Checks a connection until it fails: until a check is not answered in time, while nothing else is
/// received either. Under a backlog, the answer to a check waits behind those to other commands.
async fn until_silent(
    mut connection: MultiplexedConnection,
    progress: Arc<AtomicU64>,
) -> RedisError {
    loop {
        tokio::time::sleep(CHECK_INTERVAL).await;
        let ping = cmd("PING");
        let mut answer = pin!(connection.send_packed_command(&ping));
        let answer = loop {
            let before = progress.load(Ordering::Relaxed);
            match tokio::time::timeout(CHECK_TIMEOUT, &mut answer).await {
                Ok(answer) => break answer,
                Err(_) if progress.load(Ordering::Relaxed) != before => {}
                Err(_) => return std::io::Error::from(std::io::ErrorKind::TimedOut).into(),
            }
        };
        if let Err(error) = answer.and_then(Value::extract_error) {
            return error;
        }
    }
}

fn reader_of(room: &RoomName, readers: usize) -> Through {
    let mut hasher = DefaultHasher::new();
    room.hash(&mut hasher);
    #[allow(clippy::cast_possible_truncation, reason = "the remainder is less than `readers`")]
    Through::Reader((hasher.finish() % readers.max(1) as u64) as usize)
}

/// Returns the version of Redis, or of the Redis that a fork is compatible with.
fn version(info: &str) -> Option<(u32, u32)> {
    let version = info.lines().find_map(|line| line.strip_prefix("redis_version:"))?;
    let mut numbers = version.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

/// Bounds a step of the set-up of a link.
async fn step<T>(step: impl Future<Output = RedisResult<T>>) -> RedisResult<T> {
    match tokio::time::timeout(STEP_TIMEOUT, step).await {
        Ok(result) => result,
        Err(_) => Err(RedisError::from(std::io::Error::from(std::io::ErrorKind::TimedOut))),
    }
}

/// Returns whether a command failed because of its connection, or because of a server that cannot
/// be used at the moment: one that loads its snapshot, or has become a replica.
pub(super) fn is_of_link(error: &RedisError) -> bool {
    let kind = error.kind();
    error.is_io_error()
        || error.is_unrecoverable_error()
        || [ServerErrorKind::BusyLoading, ServerErrorKind::ReadOnly, ServerErrorKind::MasterDown]
            .into_iter()
            .any(|of_server| kind == ErrorKind::Server(of_server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_always_has_the_same_reader_and_all_readers_have_rooms() {
        let mut rooms_of = [0; 4];
        for number in 0..1_000 {
            let room = RoomName::new(&format!("room:{number}")).unwrap();
            let Through::Reader(reader) = reader_of(&room, 4) else { panic!("a reader") };
            assert!(matches!(reader_of(&room, 4), Through::Reader(again) if again == reader));
            rooms_of[reader] += 1;
        }
        assert!(rooms_of.iter().all(|rooms| *rooms > 150), "{rooms_of:?}");
    }

    #[test]
    fn the_version_is_found() {
        assert_eq!(version("# Server\r\nredis_version:7.0.15\r\nos:Linux\r\n"), Some((7, 0)));
        assert_eq!(version("# Server\r\n"), None);
    }

    #[test]
    fn a_url_is_parsed_or_refused() {
        assert!(Server::new("redis://user:pass@127.0.0.1:6379/3").is_ok());
        for url in ["", "127.0.0.1", "http://127.0.0.1", "redis://"] {
            assert!(Server::new(url).is_err(), "{url:?}");
        }
    }
}
