use std::sync::{Arc, Weak};
use std::time::Instant;

use tokio::sync::Notify;

use super::Shared;
use crate::bus::{BusEvent, EventReceiver};

/// Takes the events of the bus, looks after the rooms with history, and ends subscriptions that are
/// not used any more, until the bus is dropped with the node.
pub(super) async fn run<S: Send + Sync + 'static>(
    hub: Weak<Shared<S>>,
    mut events: EventReceiver,
    work: Arc<Notify>,
) {
    let mut next_check = None;
    loop {
        let event = tokio::select! {
            event = events.recv() => match event {
                Some(event) => Some(event),
                None => return,
            },
            () = work.notified() => None,
            () = sleep_until(next_check) => None,
        };
        let Some(hub) = hub.upgrade() else { return };
        if let Some(event) = event {
            hub.counters.on_event_taken(events.len());
            hub.on_event(event);
            continue;
        }
        next_check = hub.check_rooms(Instant::now());
        if hub.rooms().has_unused() {
            let runtime = hub.runtime.clone();
            runtime.spawn(async move { hub.unsubscribe_unused().await });
        }
    }
}

/// Waits for a time, or for ever.
pub(super) async fn sleep_until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

impl<S: Send + Sync + 'static> Shared<S> {
    fn on_event(self: &Arc<Self>, event: BusEvent) {
        match event {
            BusEvent::Live { room, publication } => {
                self.counters.on_received();
                let rooms = self.rooms();
                if let Some((key, state)) = rooms.occupied(&room) {
                    self.fan_out(&rooms, key, state, &room, &publication, None);
                }
            }
            BusEvent::Stored { room, epoch, entry } => {
                self.counters.on_received();
                self.on_stored(&room, epoch, entry);
            }
            BusEvent::Message { from, bytes } => self.on_message(from, &bytes),
            BusEvent::Lost { events } => {
                self.counters.on_lost(events);
                self.on_lost();
            }
            BusEvent::Down => {
                self.counters.on_link(false);
                self.on_disconnected();
                self.presence().handle_link_down(Instant::now());
                self.presence_work.notify_one();
            }
            BusEvent::Up => {
                self.counters.on_link(true);
                self.presence().handle_link_up(Instant::now());
                self.presence_work.notify_one();
                self.on_reconnected();
            }
        }
    }
}
