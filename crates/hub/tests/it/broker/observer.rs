//! A node that is no hub: the test sees its events.

use std::sync::Arc;
use std::time::Duration;

use sockeye_hub::bus::{Bus, BusEvent, EventReceiver, Source, events};
use sockeye_hub::core::history::{Page, Range, Retention};
use sockeye_hub::core::{NodeId, Position, Publication, RoomName};

pub(crate) struct Observer<B> {
    pub(crate) bus: B,
    pub(crate) events: EventReceiver,
}

impl<B: Bus> Observer<B> {
    pub(crate) fn new(bus: B, id: u64, capacity: usize) -> Self {
        let (sender, events) = events(capacity);
        bus.attach(NodeId(id), sender);
        Self { bus, events }
    }

    pub(crate) async fn event(&mut self) -> BusEvent {
        let event = tokio::time::timeout(Duration::from_secs(30), self.events.recv()).await;
        event.expect("an event within half a minute").unwrap()
    }

    /// Waits for an event, and drops others.
    pub(crate) async fn until(&mut self, expected: impl Fn(&BusEvent) -> bool) {
        while !expected(&self.event().await) {}
    }

    pub(crate) async fn store(&self, room: &RoomName, text: &str) -> Position {
        let publication = Arc::new(Publication::new(text));
        self.bus.publish(room, publication, Some(&RETENTION)).await.unwrap().unwrap()
    }

    pub(crate) async fn read(&self, room: &RoomName, range: Range) -> Page {
        self.bus.read(room, &RETENTION, range, Source::Leader).await.unwrap()
    }
}

/// The retention of the rooms of these tests.
pub(crate) const RETENTION: Retention =
    Retention { count: 10_000, age: Duration::from_secs(600), bytes: 16 << 20 };

pub(crate) fn room(name: &str) -> RoomName {
    RoomName::new(name).unwrap()
}
