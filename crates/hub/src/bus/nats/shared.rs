use std::sync::{Arc, OnceLock};
use std::time::Duration;

use async_nats::{HeaderMap, Subscriber};
use bytes::Bytes;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tokio::time::{Instant, timeout, timeout_at};

use super::error::Failure;
use super::history::History;
use super::link::Link;
use super::options::NatsOptions;
use super::record;
use super::requests::publish_error;
use super::rooms::{self, Rooms};
use super::streams::{RoomStream, Streams};
use super::subjects::{self, Class, Subjects};
use crate::bus::{BusError, EventSender};
use crate::core::history::{Page, Range, Retention};
use crate::core::{NodeId, Position, Publication, RoomName, Tag};

/// The number of publications that wait for an acknowledgement. Others wait before they are sent.
const MAX_UNACKNOWLEDGED: usize = 4_096;

/// The time in which a publication is acknowledged, or published again if it has an id.
const ACKNOWLEDGE_TIMEOUT: Duration = Duration::from_secs(3);

/// The time for which an operation that was not sent waits for the link. Chosen: a connection that
/// was lost is restored in less, if the broker is there.
const LINK_WAIT: Duration = Duration::from_secs(1);

/// The delay before a publication is published again.
const RETRY_DELAY: Duration = Duration::from_millis(100);

/// The operations of one node, which its tasks share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) link: Arc<Link>,
    subjects: Subjects,
    streams: Streams,
    pub(super) rooms: Rooms,
    pub(super) options: NatsOptions,
    unacknowledged: Semaphore,
    events: OnceLock<(NodeId, EventSender)>,
    /// `true` once the node receives the messages of others.
    ready: watch::Sender<bool>,
}

impl Shared {
    pub(super) fn new(link: Arc<Link>, options: NatsOptions) -> Self {
        Self {
            link,
            subjects: Subjects::new(options.prefix.clone()),
            streams: Streams::new(options.clone()),
            rooms: Rooms::default(),
            options,
            unacknowledged: Semaphore::new(MAX_UNACKNOWLEDGED),
            events: OnceLock::new(),
            ready: watch::Sender::new(false),
        }
    }

    /// Attaches the node. Called once.
    pub(super) fn attach(self: &Arc<Self>, node: NodeId, events: EventSender) -> AbortHandle {
        // A second node cannot be attached.
        let _ = self.events.set((node, events.clone()));
        self.link.attach(events.clone());
        tokio::spawn(self.clone().receive_messages(node, events)).abort_handle()
    }

    /// Returns the node once the link works, and the node receives the messages of others.
    async fn attached_soon(&self) -> Result<(NodeId, &EventSender), BusError> {
        // After it, the link is still down.
        let _ = timeout(LINK_WAIT, self.link.wait_until_up()).await;
        self.attached().await
    }

    /// Returns the node once it receives the messages of others.
    async fn attached(&self) -> Result<(NodeId, &EventSender), BusError> {
        let Some((node, events)) = self.events.get() else { return Err(BusError::Down) };
        if !self.link.is_up() {
            return Err(BusError::Down);
        }
        if !*self.ready.borrow() {
            // The sender lives as long as this borrow of it.
            let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
        }
        Ok((*node, events))
    }

    /// Receives the messages of other nodes.
    async fn receive_messages(self: Arc<Self>, node: NodeId, events: EventSender) {
        let client = &self.link.client;
        let to_node = client.subscribe(self.subjects.node(node)).await;
        let to_all = client.subscribe(self.subjects.nodes()).await;
        // An error means that the client has ended.
        let (Ok(to_node), Ok(to_all)) = (to_node, to_all) else { return };
        while self.link.round_trip().await.is_err() {
            self.link.wait_until_up().await;
        }
        self.ready.send_replace(true);
        tokio::join!(
            rooms::follow_nodes(self.link.clone(), node, events.clone(), to_node),
            rooms::follow_nodes(self.link.clone(), node, events, to_all),
        );
    }

    async fn stream(&self, retention: &Retention) -> Result<Arc<RoomStream>, BusError> {
        let class = Class::of(retention);
        let stream = self.streams.get(&self.link, &self.subjects, class).await;
        stream.map_err(to_bus_error)
    }

    pub(super) async fn publish_live(
        &self,
        room: &RoomName,
        publication: &Publication,
    ) -> Result<(), BusError> {
        let (node, _) = self.attached().await?;
        let bytes = rooms::put_connection(node, self.link.connects(), publication);
        let subject = self.subjects.live(room);
        self.link.client.publish(subject, bytes).await.map_err(publish_error)
    }

    /// Publishes into a history until the publication is acknowledged, or until its time is over.
    pub(super) async fn publish_stored(
        &self,
        room: &RoomName,
        publication: &Publication,
        retention: &Retention,
    ) -> Result<Position, BusError> {
        let has_id = publication.id.is_some();
        let options = &self.options;
        let limit = if has_id { options.retry_for } else { options.timeout };
        let deadline = Instant::now() + limit;
        let publishing = async {
            let _permit = self.unacknowledged.acquire().await.map_err(|_| BusError::Down)?;
            let tag = record::new_tag();
            let payload = record::encode_publication(tag, publication);
            loop {
                let attempt = self.store(room, publication, retention, tag, payload.clone());
                let attempt = async {
                    self.attached_soon().await?;
                    attempt.await
                };
                let failed = match timeout(ACKNOWLEDGE_TIMEOUT, attempt).await {
                    Ok(Ok(position)) => return Ok(position),
                    Ok(Err(Failure::Bus(error @ BusError::Broker(_)))) => return Err(error),
                    Ok(Err(Failure::Bus(error))) => error,
                    // Nothing was stored: the publication needs no id to be published again.
                    Ok(Err(_)) => {
                        tokio::time::sleep(RETRY_DELAY).await;
                        continue;
                    }
                    Err(_) => BusError::TimedOut,
                };
                if !has_id {
                    return Err(failed);
                }
                tokio::time::sleep(RETRY_DELAY).await;
                self.link.wait_until_up().await;
            }
        };
        timeout_at(deadline, publishing).await.unwrap_or(Err(BusError::TimedOut))
    }

    async fn store(
        &self,
        room: &RoomName,
        publication: &Publication,
        retention: &Retention,
        tag: Tag,
        payload: Bytes,
    ) -> Result<Position, Failure> {
        let stream = self.stream(retention).await?;
        let subject = self.subjects.stored_in(stream.class, room);
        let mut headers = HeaderMap::new();
        headers.insert("Nats-Expected-Stream", &*stream.name);
        if let Some(id) = &publication.id {
            headers.insert("Nats-Msg-Id", subjects::message_id(room, id)?);
        }
        let stored = match self.link.store(&subject, headers, payload).await {
            Err(Failure::NoStream) => {
                stream.check_epoch(&self.link).await?;
                return Err(Failure::NoStream);
            }
            stored => stored?,
        };
        let mut position = Position { epoch: stream.epoch(), offset: stored.seq, tag };
        if stored.duplicate {
            let history = History { link: &self.link, stream: &stream, subject: &subject };
            // One that is not retained any more proves nothing, whatever its tag is.
            position.tag = history.tag_at(stored.seq).await?.unwrap_or(tag);
        }
        Ok(position)
    }

    pub(super) async fn subscribe_live(&self, room: &RoomName) -> Result<(), BusError> {
        let (node, events) = self.attached_soon().await?;
        if !self.rooms.contains(room, None) {
            let subscriber = self.subscriber(self.subjects.live(room)).await?;
            let (link, events) = (self.link.clone(), events.clone());
            let task = rooms::follow_live(link, node, events, room.clone(), subscriber);
            self.rooms.insert(room, None, task);
        }
        self.link.round_trip().await
    }

    pub(super) async fn subscribe_stored(
        &self,
        room: &RoomName,
        retention: &Retention,
    ) -> Result<Position, BusError> {
        let (_, events) = self.attached_soon().await?;
        let stream = self.stream(retention).await?;
        if !self.rooms.contains(room, Some(stream.class)) {
            let subscriber = self.subscriber(self.subjects.stored_out(stream.class, room)).await?;
            let (link, events) = (self.link.clone(), events.clone());
            let task = rooms::follow_stored(link, events, room.clone(), stream.clone(), subscriber);
            self.rooms.insert(room, Some(stream.class), task);
        }
        let subject = self.subjects.stored_in(stream.class, room);
        History { link: &self.link, stream: &stream, subject: &subject }.top().await
    }

    async fn subscriber(&self, subject: String) -> Result<Subscriber, BusError> {
        self.link.client.subscribe(subject).await.map_err(|_| BusError::Down)
    }

    pub(super) async fn read(
        &self,
        room: &RoomName,
        retention: &Retention,
        range: Range,
        leader: bool,
    ) -> Result<Page, BusError> {
        self.attached_soon().await?;
        let stream = self.stream(retention).await?;
        let subject = self.subjects.stored_in(stream.class, room);
        let history = History { link: &self.link, stream: &stream, subject: &subject };
        history.read(range, leader).await
    }

    pub(super) async fn top(
        &self,
        room: &RoomName,
        retention: &Retention,
    ) -> Result<Position, BusError> {
        self.attached_soon().await?;
        let stream = self.stream(retention).await?;
        let subject = self.subjects.stored_in(stream.class, room);
        History { link: &self.link, stream: &stream, subject: &subject }.top().await
    }

    /// Sends bytes to one node, or to all.
    pub(super) async fn send(&self, to: Option<NodeId>, bytes: &[u8]) -> Result<(), BusError> {
        let (node, _) = self.attached().await?;
        let subject = to.map_or_else(|| self.subjects.nodes(), |to| self.subjects.node(to));
        let bytes = rooms::put_node(node, bytes);
        self.link.client.publish(subject, bytes).await.map_err(publish_error)
    }

    /// Removes the history of a room.
    pub(super) async fn remove_history(&self, room: &RoomName) -> Result<(), BusError> {
        self.attached_soon().await?;
        self.remove_from_streams(room).await.map_err(to_bus_error)
    }

    /// Removes the history of a room, whose retention is not known here, from all streams.
    async fn remove_from_streams(&self, room: &RoomName) -> Result<(), Failure> {
        for name in self.link.streams_with(&self.subjects.stored_in_any(room)).await? {
            let Some((class, subject)) = self.subjects.stored_in_stream(&name, room) else {
                continue;
            };
            let stream = self.streams.find(&self.link, &self.subjects, class).await?;
            History { link: &self.link, stream: &stream, subject: &subject }.remove().await?;
        }
        Ok(())
    }
}

fn to_bus_error(failure: Failure) -> BusError {
    match failure {
        Failure::Bus(error) => error,
        _ => BusError::TimedOut,
    }
}
