//! A bus whose store answers only while its gate is open.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use sockeye_hub::bus::{Bus, BusEvent, BusFuture, EventSender, Local, Source};
use sockeye_hub::core::history::{Page, Range, Retention};
use sockeye_hub::core::{Epoch, NodeId, Position, Publication, RoomName};
use tokio::sync::watch;

#[derive(Clone, Debug, Default)]
pub(crate) struct Gated {
    inner: Local,
    pub(crate) store: Arc<Store>,
}

#[derive(Debug)]
pub(crate) struct Store {
    events: OnceLock<EventSender>,
    open: watch::Sender<bool>,
    /// The number of questions for the top of a room.
    tops: AtomicUsize,
    subscriptions: AtomicUsize,
    /// The number of reads.
    reads: AtomicUsize,
    subscribing: AtomicUsize,
    max_subscribing: AtomicUsize,
}

impl Default for Store {
    fn default() -> Self {
        Self {
            events: OnceLock::new(),
            open: watch::Sender::new(true),
            tops: AtomicUsize::new(0),
            subscriptions: AtomicUsize::new(0),
            reads: AtomicUsize::new(0),
            subscribing: AtomicUsize::new(0),
            max_subscribing: AtomicUsize::new(0),
        }
    }
}

impl Store {
    pub(crate) fn set_open(&self, open: bool) {
        self.open.send_replace(open);
    }

    pub(crate) fn send(&self, event: BusEvent) {
        self.events.get().unwrap().send(event);
    }

    pub(crate) fn tops(&self) -> usize {
        self.tops.load(Ordering::Relaxed)
    }

    /// Returns the number of requests to subscribe.
    pub(crate) fn subscriptions(&self) -> usize {
        self.subscriptions.load(Ordering::Relaxed)
    }

    /// Returns the number of reads.
    pub(crate) fn reads(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Returns the maximum number of subscriptions that were under way at a time.
    pub(crate) fn max_subscribing(&self) -> usize {
        self.max_subscribing.load(Ordering::Relaxed)
    }

    async fn pass(&self) {
        self.open.subscribe().wait_for(|open| *open).await.unwrap();
    }
}

impl Bus for Gated {
    fn attach(&self, node: NodeId, events: EventSender) {
        self.store.events.set(events.clone()).unwrap();
        self.inner.attach(node, events);
    }

    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        self.inner.publish(room, publication, retention)
    }

    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        Box::pin(async move {
            self.store.subscriptions.fetch_add(1, Ordering::Relaxed);
            let subscribing = self.store.subscribing.fetch_add(1, Ordering::Relaxed) + 1;
            self.store.max_subscribing.fetch_max(subscribing, Ordering::Relaxed);
            self.store.pass().await;
            self.store.subscribing.fetch_sub(1, Ordering::Relaxed);
            self.inner.subscribe(room, retention).await
        })
    }

    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.inner.unsubscribe(room)
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        source: Source,
    ) -> BusFuture<'a, Page> {
        self.store.reads.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            self.store.pass().await;
            self.inner.read(room, retention, range, source).await
        })
    }

    fn top<'a>(&'a self, room: &'a RoomName, retention: &'a Retention) -> BusFuture<'a, Position> {
        self.store.tops.fetch_add(1, Ordering::Relaxed);
        Box::pin(async move {
            self.store.pass().await;
            self.inner.top(room, retention).await
        })
    }

    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        expected: Epoch,
    ) -> BusFuture<'a, Position> {
        self.inner.replace_epoch(room, retention, expected)
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        self.inner.remove_history(room)
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        self.inner.send(to, bytes)
    }
}
