use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use async_nats::connection::State as ConnectionState;
use async_nats::{Client, HeaderMap, Statistics, Subscriber};
use bytes::Bytes;
use tokio::sync::{Notify, watch};

use super::requests::{Replies, Requests, next_message, publish_error};
use crate::bus::{BusError, BusEvent, EventSender};

/// The time after which a silent link is probed. Chosen, with [`PROBE_TIMEOUT`]: a broker that does
/// not answer is noticed within 4 s, before the presence gives up the nodes behind it after 7 s.
const PROBE_AFTER: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

/// The least time between two reports of lost messages, as each has the node check all rooms.
const LOST_INTERVAL: Duration = Duration::from_millis(100);

/// The client's number of its first subscription, which is for replies. Taken from async-nats,
/// which counts from 1.
const INBOX_ID: u64 = 1;

/// The link of a node to its broker.
///
/// The client reconnects and restores the subscriptions by itself, at its own time. The link
/// orders what follows from it: the node is told that the link broke, and that it works again,
/// before it is told what the new connection delivers.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) client: Client,
    statistics: Arc<Statistics>,
    signals: Arc<Signals>,
    /// Told in the order of its changes.
    told: tokio::sync::Mutex<Told>,
    events: OnceLock<EventSender>,
    /// The number of connections that the client had made when the node was told of one.
    connects: AtomicU64,
    up: watch::Sender<bool>,
    /// `true` while messages are handed to the node: not between the two events. Locked while one
    /// is handed over, so that it does not follow [`BusEvent::Down`].
    admits: RwLock<bool>,
    requests: Requests,
}

/// The state of the link that the node was told last.
#[derive(Debug)]
struct Told {
    up: bool,
}

/// The events that the client reports while it runs.
#[derive(Debug, Default)]
pub(super) struct Signals {
    changed: Notify,
    lost: AtomicU64,
}

impl Signals {
    /// Handles an event of the client.
    pub(super) fn on_event(&self, event: &async_nats::Event) {
        // A reply that was lost is missed by the request that waits for it.
        if matches!(event, async_nats::Event::SlowConsumer(id) if *id != INBOX_ID) {
            self.lost.fetch_add(1, Ordering::Relaxed);
        }
        self.changed.notify_one();
    }
}

impl Link {
    pub(super) fn new(client: Client, signals: Arc<Signals>) -> Self {
        let statistics = client.statistics();
        let connects = statistics.connects.load(Ordering::Acquire);
        Self {
            requests: Requests::new(client.new_inbox()),
            client,
            statistics,
            signals,
            told: tokio::sync::Mutex::new(Told { up: true }),
            events: OnceLock::new(),
            connects: AtomicU64::new(connects),
            up: watch::Sender::new(true),
            admits: RwLock::new(true),
        }
    }

    /// Sets where the node is told of the link. Called once.
    pub(super) fn attach(&self, events: EventSender) {
        // A second node cannot be attached.
        let _ = self.events.set(events);
        self.signals.changed.notify_one();
    }

    pub(super) fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Waits until the link works.
    pub(super) async fn wait_until_up(&self) {
        // The sender lives as long as this borrow of it.
        let _ = self.up.subscribe().wait_for(|up| *up).await;
    }

    /// Returns the number of connections that the client has made.
    pub(super) fn connects(&self) -> u64 {
        self.statistics.connects.load(Ordering::Acquire)
    }

    /// Returns a guard if a message that was received now is to be handed to the node, which is
    /// told of no change before the guard is dropped. If the message is the first of a new
    /// connection, the node is told of the connection before.
    pub(super) async fn admit(&self) -> Option<RwLockReadGuard<'_, bool>> {
        loop {
            {
                let admits = self.admits.read().unwrap_or_else(PoisonError::into_inner);
                if self.connects() == self.connects.load(Ordering::Acquire) {
                    return admits.then_some(admits);
                }
            }
            self.on_connected(self.connects(), false).await;
        }
    }

    fn set_admits(&self, admits: bool) {
        *self.admits.write().unwrap_or_else(PoisonError::into_inner) = admits;
    }

    /// Tells the node of a connection, unless it knows. A connection that it knows works again only
    /// if that is `proven` now.
    async fn on_connected(&self, connects: u64, proven: bool) {
        let mut told = self.told.lock().await;
        let is_new = self.connects.load(Ordering::Acquire) < connects;
        if is_new {
            // The replies to what was asked over a former connection will not come.
            self.requests.fail_before(connects);
            self.set_admits(false);
            self.tell(&mut told, false).await;
        }
        if is_new || proven {
            self.up.send_replace(true);
            self.tell(&mut told, true).await;
            self.set_admits(true);
        }
        // At the end: tasks that find it unchanged wait for the lock, and hand over nothing before.
        self.connects.fetch_max(connects, Ordering::AcqRel);
    }

    async fn on_disconnected(&self) {
        let mut told = self.told.lock().await;
        if self.up.send_replace(false) {
            self.requests.fail_all();
        }
        self.set_admits(false);
        self.tell(&mut told, false).await;
    }

    /// Tells the node whether the link works, unless it knows.
    async fn tell(&self, told: &mut Told, up: bool) {
        let Some(events) = self.events.get().filter(|_| told.up != up) else { return };
        events.send_waiting(if up { BusEvent::Up } else { BusEvent::Down }).await;
        // At the end: the task of a room may be aborted while it waits.
        told.up = up;
    }

    /// Looks after the link for as long as the node lives.
    pub(super) async fn keep(self: Arc<Self>) {
        let mut received_before = 0;
        loop {
            let is_signal = tokio::select! {
                () = self.signals.changed.notified() => true,
                () = tokio::time::sleep(PROBE_AFTER) => false,
            };
            let lost = self.signals.lost.swap(0, Ordering::Relaxed);
            if lost > 0 {
                if let Some(events) = self.events.get() {
                    events.send(BusEvent::Lost { events: lost });
                }
                tokio::time::sleep(LOST_INTERVAL).await;
            }
            if self.client.connection_state() != ConnectionState::Connected {
                self.on_disconnected().await;
                continue;
            }
            let connects = self.connects();
            let received = self.statistics.in_messages.load(Ordering::Relaxed);
            let is_silent = received == std::mem::replace(&mut received_before, received);
            if !is_signal && self.is_up() && !is_silent {
                continue;
            }
            match tokio::time::timeout(PROBE_TIMEOUT, self.round_trip()).await {
                Ok(Ok(())) => self.on_connected(connects, true).await,
                // It broke: the client's own signal follows.
                Ok(Err(_)) => {}
                Err(_) => {
                    self.on_disconnected().await;
                    // An error means that the client has ended.
                    let _ = self.client.force_reconnect().await;
                }
            }
        }
    }

    /// Waits until the broker has handled everything that was sent before.
    pub(super) async fn round_trip(&self) -> Result<(), BusError> {
        let mut replies = self.expect_replies(1);
        let subject = replies.subject();
        let sent = self.client.publish(subject, Bytes::new()).await;
        sent.map_err(|_| BusError::Down)?;
        replies.next().await.map(drop)
    }

    /// Returns the subjects on which this node receives replies, as a pattern.
    pub(super) fn inbox(&self) -> String {
        self.requests.subjects()
    }

    fn expect_replies(&self, replies: usize) -> Replies<'_> {
        self.requests.expect(self.connects(), replies)
    }

    /// Sends a request to which up to `count` replies are expected.
    pub(super) async fn request(
        &self,
        subject: &str,
        headers: HeaderMap,
        payload: Bytes,
        count: usize,
    ) -> Result<Replies<'_>, BusError> {
        if !self.is_up() {
            return Err(BusError::Down);
        }
        let replies = self.expect_replies(count);
        let (subject, reply) = (subject.to_owned(), replies.subject());
        // A request without headers is a shorter command.
        let sent = if headers.is_empty() {
            self.client.publish_with_reply(subject, reply, payload).await
        } else {
            self.client.publish_with_reply_and_headers(subject, reply, headers, payload).await
        };
        sent.map_err(publish_error)?;
        Ok(replies)
    }

    /// Hands the replies of the broker to the requests, for as long as the node lives.
    pub(super) async fn dispatch_replies(self: Arc<Self>, mut inbox: Subscriber) {
        while let Some(message) = next_message(&mut inbox).await {
            self.requests.receive(message);
        }
    }
}
