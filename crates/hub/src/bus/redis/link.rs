use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::{Cmd, ErrorKind, ServerErrorKind, Value};
use tokio::sync::{Semaphore, SemaphorePermit, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::connections::{Connections, Route};
use super::error::BoxedError;
use super::keys::Keys;
use super::options::RedisOptions;
use super::partition::Partition;
use super::refusal::{is_migrating, is_moved, is_of_link};
use super::scripts::Scripts;
use super::servers::Servers;
use super::state::State;
use crate::bus::{BusError, BusEvent, EventSender};
use crate::core::{NodeId, RoomName};
use crate::random;

/// The delay before the second attempt to restore a link, and the maximum that it is doubled up to.
/// The maximum is well below the lease of the presence, 7 s: after the broker's return no node
/// waits so long for another that it takes that one for dead.
const MIN_BACKOFF: Duration = Duration::from_millis(50);
const MAX_BACKOFF: Duration = Duration::from_secs(2);

/// The time after which a link counts as stable: its successor is made without delay. Chosen:
/// longer than a server that accepts connections takes to show that it is of no use, such as a
/// replica, which refuses the first command that writes.
const STABLE_AFTER: Duration = Duration::from_secs(5);

/// The time for which connections are used although a partition has another primary. Together with
/// the 2 s between heartbeats it is less than the lease of the presence, 7 s: nodes whose messages
/// are in this partition are not heard.
const REPLACE_TIMEOUT: Duration = Duration::from_secs(4);

/// The delay before a command is sent again whose slot is being moved.
const MIGRATING_DELAY: Duration = Duration::from_millis(50);

/// The bytes that one permit stands for. A semaphore has fewer permits than memory has bytes.
const BYTES_PER_PERMIT: usize = 1_024;

/// The number of messages to other nodes at a time, and of the bytes that they send. Chosen: enough
/// for the presence, which sends one at a time, beside the commands of the hub.
const MAX_MESSAGES: usize = 256;
const MAX_MESSAGE_BYTES: usize = 16 << 20;

/// The state that operations share with the task that keeps the link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) servers: Servers,
    pub(super) keys: Arc<Keys>,
    pub(super) scripts: Scripts,
    options: RedisOptions,
    /// The connections while the link is up.
    connections: watch::Sender<Option<Arc<Connections>>>,
    /// `true` from a failure until the link is up again: not while a new node connects.
    is_down: AtomicBool,
    /// The rooms that this node is subscribed to, or will be once the link is up. Locked while the
    /// link comes up, so that no change of the rooms is missed.
    rooms: Mutex<HashSet<RoomName>>,
    operations: Bounds,
    messages: Bounds,
}

/// The bounds of the commands that are carried out at a time.
#[derive(Debug)]
struct Bounds {
    requests: Semaphore,
    bytes: Semaphore,
    max_permits: u32,
}

/// The bounds that a command is within.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BoundsOf {
    /// Publications, subscriptions and questions.
    Operations,
    /// Messages between nodes, which do not wait for operations: a node whose heartbeats are late
    /// is taken for dead.
    Messages,
}

/// The treatment of a command whose connection breaks before its reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Repeat {
    /// The command is sent again, as carrying it out twice has the effect of once.
    Yes,
    /// The command fails.
    No,
}

impl Bounds {
    fn new(max_requests: usize, max_bytes: usize) -> Self {
        let max_permits = max_bytes.div_ceil(BYTES_PER_PERMIT).max(1);
        let max_permits = max_permits.min(Semaphore::MAX_PERMITS).min(u32::MAX as usize);
        Self {
            requests: Semaphore::new(max_requests.clamp(1, Semaphore::MAX_PERMITS)),
            bytes: Semaphore::new(max_permits),
            max_permits: u32::try_from(max_permits).unwrap_or(u32::MAX),
        }
    }
}

impl Link {
    pub(super) fn new(servers: Servers, options: RedisOptions) -> Self {
        Self {
            keys: Arc::new(Keys::new(&options.prefix, servers.is_cluster())),
            servers,
            scripts: Scripts::new(),
            connections: watch::Sender::new(None),
            is_down: AtomicBool::new(false),
            rooms: Mutex::default(),
            operations: Bounds::new(options.max_requests, options.max_bytes),
            messages: Bounds::new(MAX_MESSAGES, MAX_MESSAGE_BYTES),
            options,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.options.timeout
    }

    fn rooms(&self) -> MutexGuard<'_, HashSet<RoomName>> {
        // No code panics while it holds the lock.
        self.rooms.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn is_up(&self) -> bool {
        self.connections.borrow().is_some()
    }

    /// Keeps the link until the task is aborted.
    pub(super) async fn keep(self: Arc<Self>, node: NodeId, events: EventSender) {
        let mut backoff = MIN_BACKOFF;
        loop {
            let mut connections = self.come_up(node, &events, &mut backoff).await;
            let is_stable = loop {
                let established = Instant::now();
                let state = connections.state.until(State::Moved).await;
                let is_stable = established.elapsed() >= STABLE_AFTER;
                if is_stable {
                    backoff = MIN_BACKOFF;
                }
                if state == State::Broken {
                    break is_stable;
                }
                let next = tokio::select! {
                    next = self.replace(node, &events, is_stable, &mut backoff) => next,
                    _ = connections.state.until(State::Broken) => None,
                };
                let Some(next) = next else { break is_stable };
                connections = next;
                tracing::info!("the link to Redis is to other servers");
                // Something may have been missed.
                events.send_waiting(BusEvent::Down).await;
                events.send_waiting(BusEvent::Up).await;
            };
            tracing::warn!("the link to Redis is broken");
            connections.close();
            connections.state.report(State::Broken);
            self.connections.send_replace(None);
            self.is_down.store(true, Ordering::Relaxed);
            events.send_waiting(BusEvent::Down).await;
            if !is_stable {
                sleep_longer(&mut backoff).await;
            }
        }
    }

    /// Makes the link, and tells the node if it was down.
    async fn come_up(
        &self,
        node: NodeId,
        events: &EventSender,
        backoff: &mut Duration,
    ) -> Arc<Connections> {
        let connections = loop {
            match self.establish(node, events).await {
                Ok(connections) => break connections,
                Err(error) => tracing::debug!(%error, "the link to Redis is not restored"),
            }
            if !self.is_down.swap(true, Ordering::Relaxed) {
                events.send_waiting(BusEvent::Down).await;
            }
            sleep_longer(backoff).await;
        };
        if self.is_down.swap(false, Ordering::Relaxed) {
            tracing::info!("the link to Redis is restored");
            events.send_waiting(BusEvent::Up).await;
        }
        connections
    }

    /// Replaces the connections while they are still used, within [`REPLACE_TIMEOUT`].
    async fn replace(
        &self,
        node: NodeId,
        events: &EventSender,
        mut at_once: bool,
        backoff: &mut Duration,
    ) -> Option<Arc<Connections>> {
        let replacing = async {
            loop {
                // A server may not know yet what another one has told.
                if !std::mem::take(&mut at_once) {
                    sleep_longer(backoff).await;
                }
                match self.establish(node, events).await {
                    Ok(connections) => return connections,
                    Err(error) => tracing::debug!(%error, "the link to Redis is not replaced"),
                }
            }
        };
        timeout(REPLACE_TIMEOUT, replacing).await.ok()
    }

    /// Connects, subscribes to all rooms, and gives the link these connections.
    async fn establish(
        &self,
        node: NodeId,
        events: &EventSender,
    ) -> Result<Arc<Connections>, BoxedError> {
        let connections = self.servers.link(node, &self.keys, self.options.readers).await?;
        connections.send_to_all(&self.scripts.load()).await?;
        let connections = Arc::new(connections);
        let mut subscribed = HashSet::new();
        loop {
            let (added, removed) = {
                let rooms = self.rooms();
                let added: Vec<_> = rooms.difference(&subscribed).cloned().collect();
                let removed: Vec<_> = subscribed.difference(&rooms).cloned().collect();
                if added.is_empty() && removed.is_empty() {
                    // First the former ones, so that nothing arrives twice.
                    if let Some(former) = &*self.connections.borrow() {
                        former.close();
                    }
                    connections.open(events);
                    self.connections.send_replace(Some(connections.clone()));
                    return Ok(connections);
                }
                (added, removed)
            };
            let keys = &self.keys;
            connections.for_each_room(keys.subscribe(), keys, &added).await?;
            connections.for_each_room(keys.unsubscribe(), keys, &removed).await?;
            for room in &removed {
                subscribed.remove(room);
            }
            subscribed.extend(added);
        }
    }

    pub(super) async fn subscribe(&self, room: &RoomName) -> Result<(), BusError> {
        self.rooms().insert(room.clone());
        let mut command = redis::cmd(self.keys.subscribe());
        command.arg(self.keys.room(room));
        let route = Route::Reader(Partition::of_room(room));
        // If the link has just come up, the node is subscribed already. It does not matter.
        let request = self.request(&command, route, Repeat::Yes, BoundsOf::Operations);
        request.await.map(drop)
    }

    pub(super) async fn unsubscribe(&self, room: &RoomName) -> Result<(), BusError> {
        {
            let mut rooms = self.rooms();
            rooms.remove(room);
            // The next link is without the room.
            if !self.is_up() {
                return Ok(());
            }
        }
        let mut command = redis::cmd(self.keys.unsubscribe());
        command.arg(self.keys.room(room));
        let route = Route::Reader(Partition::of_room(room));
        match self.request(&command, route, Repeat::No, BoundsOf::Operations).await {
            Err(BusError::Down) => Ok(()),
            result => result.map(drop),
        }
    }

    /// Carries out a command within the timeout.
    pub(super) async fn request(
        &self,
        command: &Cmd,
        route: Route,
        repeat: Repeat,
        bounds: BoundsOf,
    ) -> Result<Value, BusError> {
        let deadline = Instant::now() + self.options.timeout;
        let carried_out = timeout_at(deadline, async {
            let _permits = self.admit(command, bounds).await?;
            self.carry_out(command, route, repeat).await
        });
        match carried_out.await {
            Ok(result) => result,
            Err(_) if self.is_up() => Err(BusError::TimedOut),
            Err(_) => Err(BusError::Down),
        }
    }

    /// Waits until the command is within the bounds; fails if the link is down.
    async fn admit(
        &self,
        command: &Cmd,
        bounds: BoundsOf,
    ) -> Result<(SemaphorePermit<'_>, SemaphorePermit<'_>), BusError> {
        let Bounds { requests, bytes: sent, max_permits } = match bounds {
            BoundsOf::Operations => &self.operations,
            BoundsOf::Messages => &self.messages,
        };
        let length = |argument| match argument {
            redis::Arg::Simple(argument) => <[u8]>::len(argument),
            _ => 0,
        };
        let bytes: usize = command.args_iter().map(length).sum();
        let permits = u32::try_from(bytes / BYTES_PER_PERMIT + 1).unwrap_or(u32::MAX);
        let permits = permits.min(*max_permits);
        if let (Ok(request), Ok(bytes)) = (requests.try_acquire(), sent.try_acquire_many(permits)) {
            return Ok((request, bytes));
        }
        if self.is_down.load(Ordering::Relaxed) {
            return Err(BusError::Down);
        }
        let closed = |_| BusError::Down;
        let request = requests.acquire().await.map_err(closed)?;
        Ok((request, sent.acquire_many(permits).await.map_err(closed)?))
    }

    async fn carry_out(
        &self,
        command: &Cmd,
        route: Route,
        repeat: Repeat,
    ) -> Result<Value, BusError> {
        let mut link = self.connections.subscribe();
        loop {
            let connections = {
                let up = link.wait_for(Option::is_some).await.map_err(|_| BusError::Down)?;
                let Some(connections) = up.clone() else { continue };
                connections
            };
            let connection = connections.connection(route);
            let result = tokio::select! {
                biased;
                result = connection.send(command) => result,
                () = abandoned(&mut link, &connections) => match repeat {
                    Repeat::Yes => continue,
                    Repeat::No => return Err(BusError::Down),
                },
            };
            let error = match result {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            // In these three cases the command was not carried out.
            if is_moved(&error) {
                connections.state.report(State::Moved);
                replaced(&mut link, &connections).await;
                continue;
            }
            if is_migrating(&error) {
                if repeat == Repeat::Yes {
                    if let Some(value) = self.ask(&connections, &error, command).await? {
                        return Ok(value);
                    }
                }
                tokio::time::sleep(jittered(MIGRATING_DELAY)).await;
                continue;
            }
            if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) {
                // Somebody has removed the scripts.
                if let Err(error) = connection.send_all(&self.scripts.load()).await {
                    tracing::debug!(%error, "the scripts are not loaded");
                    connections.state.report(State::Broken);
                    replaced(&mut link, &connections).await;
                }
                continue;
            }
            if !is_of_link(&error) {
                return Err(BusError::Broker(Arc::new(error)));
            }
            connections.state.report(State::Broken);
            if repeat == Repeat::No {
                return Err(BusError::Down);
            }
            replaced(&mut link, &connections).await;
        }
    }
}

/// Waits until the link has other connections, or none, because these are broken. Those that were
/// replaced for another reason still carry out what they were sent.
async fn abandoned(
    link: &mut watch::Receiver<Option<Arc<Connections>>>,
    connections: &Arc<Connections>,
) {
    let is_abandoned = |now: &Option<Arc<Connections>>| {
        is_other(now.as_ref(), connections) && connections.state.is_broken()
    };
    // The sender is not dropped before the operations.
    let _ = link.wait_for(is_abandoned).await;
}

/// Waits until the link has other connections, or none.
async fn replaced(
    link: &mut watch::Receiver<Option<Arc<Connections>>>,
    connections: &Arc<Connections>,
) {
    // The sender is not dropped before the operations.
    let _ = link.wait_for(|now| is_other(now.as_ref(), connections)).await;
}

fn is_other(now: Option<&Arc<Connections>>, connections: &Arc<Connections>) -> bool {
    now.is_none_or(|now| !Arc::ptr_eq(now, connections))
}

/// Waits for a delay, and doubles it for the next time.
async fn sleep_longer(backoff: &mut Duration) {
    tokio::time::sleep(jittered(*backoff)).await;
    *backoff = (*backoff * 2).min(MAX_BACKOFF);
}

/// Returns a random part of a delay, at least half of it, so that nodes do not return all at once.
fn jittered(delay: Duration) -> Duration {
    let half = delay / 2;
    let part = u32::try_from(random::bits() >> 32).unwrap_or(u32::MAX);
    half + half.mul_f64(f64::from(part) / f64::from(u32::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_cut_to_a_half_at_most() {
        for _ in 0..1_000 {
            let delay = jittered(MAX_BACKOFF);
            assert!(delay >= MAX_BACKOFF / 2 && delay <= MAX_BACKOFF, "{delay:?}");
        }
    }
}
