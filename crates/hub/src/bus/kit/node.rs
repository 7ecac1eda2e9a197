use std::sync::Arc;

use tokio::time::timeout;

use super::failure::{Checked, broken};
use super::{ARRIVAL, QUIET};
use crate::bus::{Bus, BusEvent, EventReceiver, Source, events};
use crate::core::history::{Entry, Limit, Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};
use crate::random;

/// A node on the bus.
pub(super) struct Node {
    pub(super) bus: Box<dyn Bus>,
    pub(super) id: NodeId,
    events: EventReceiver,
}

impl Node {
    pub(super) fn new(bus: Box<dyn Bus>) -> Self {
        let (sender, events) = events(16_384);
        let id = NodeId(random::bits());
        bus.attach(id, sender);
        Self { bus, id, events }
    }

    /// Publishes a publication into a history.
    pub(super) async fn store(
        &self,
        room: &RoomName,
        publication: Publication,
        retention: &Retention,
    ) -> Checked<Position> {
        let position = self.bus.publish(room, Arc::new(publication), Some(retention)).await?;
        position.ok_or_else(|| broken("a stored publication got no position"))
    }

    /// Publishes a text into a history.
    pub(super) async fn store_text(
        &self,
        room: &RoomName,
        text: impl Into<String>,
        retention: &Retention,
    ) -> Checked<Position> {
        self.store(room, Publication::new(text.into()), retention).await
    }

    /// Publishes a text to a room without history.
    pub(super) async fn publish_live(&self, room: &RoomName, text: &str) -> Checked {
        match self.bus.publish(room, Arc::new(Publication::new(text)), None).await? {
            None => Ok(()),
            Some(_) => Err(broken("a publication without history got a position")),
        }
    }

    /// Subscribes to a room with history.
    pub(super) async fn follow(&self, room: &RoomName, retention: &Retention) -> Checked<Position> {
        let top = self.bus.subscribe(room, Some(retention)).await?;
        top.ok_or_else(|| broken("subscribing to a room with history returned no position"))
    }

    /// Reads a page from the leader.
    pub(super) async fn read(
        &self,
        room: &RoomName,
        retention: &Retention,
        range: Range,
    ) -> Checked<Page> {
        Ok(self.bus.read(room, retention, range, Source::Leader).await?)
    }

    /// Reads the whole history.
    pub(super) async fn log(&self, room: &RoomName, retention: &Retention) -> Checked<Page> {
        self.read_all(room, retention, Range::forwards(Limit::NONE)).await
    }

    /// Reads the history from a position on.
    pub(super) async fn read_from(
        &self,
        room: &RoomName,
        retention: &Retention,
        position: &Position,
    ) -> Checked<Page> {
        self.read_all(room, retention, Range::forwards(Limit::NONE).at(position.offset)).await
    }

    /// Reads a range without limit. A bus whose store is slow may end a page early.
    async fn read_all(
        &self,
        room: &RoomName,
        retention: &Retention,
        range: Range,
    ) -> Checked<Page> {
        let mut page = self.read(room, retention, range).await?;
        while let Some(rest) = page.next_range() {
            let next = self.read(room, retention, rest).await?;
            page.entries.extend(next.entries);
            (page.top, page.remaining) = (next.top, next.remaining);
            if page.next_range() == Some(rest) {
                break;
            }
        }
        if page.remaining > 0 {
            return Err(broken("a page that is not the last one has no entries"));
        }
        Ok(page)
    }

    /// Returns the next event within [`ARRIVAL`].
    pub(super) async fn event(&mut self) -> Checked<BusEvent> {
        match timeout(ARRIVAL, self.events.recv()).await {
            Ok(Some(event)) => Ok(event),
            Ok(None) => Err(broken("the bus has dropped the channel of events")),
            Err(_) => Err(broken(format!("no event within {ARRIVAL:?}"))),
        }
    }

    /// Returns the next event if there is one within [`QUIET`].
    pub(super) async fn event_soon(&mut self) -> Option<BusEvent> {
        timeout(QUIET, self.events.recv()).await.ok().flatten()
    }

    /// Returns the next stored publication.
    pub(super) async fn stored(&mut self) -> Checked<(RoomName, Epoch, Entry)> {
        match self.event().await? {
            BusEvent::Stored { room, epoch, entry } => Ok((room, epoch, entry)),
            other => Err(broken(format!("expected a stored publication, received {other:?}"))),
        }
    }

    /// Returns the next publication without history, as text.
    pub(super) async fn live(&mut self) -> Checked<(RoomName, String)> {
        match self.event().await? {
            BusEvent::Live { room, publication } => Ok((room, publication.message.to_string())),
            other => Err(broken(format!("expected a live publication, received {other:?}"))),
        }
    }

    /// Checks that nothing more arrives.
    pub(super) async fn nothing_more(&mut self) -> Checked {
        match self.event_soon().await {
            None => Ok(()),
            Some(event) => Err(broken(format!("expected nothing more, received {event:?}"))),
        }
    }
}

/// Returns the text of an entry.
pub(super) fn text(entry: &Entry) -> &str {
    entry.publication.message.as_text().unwrap_or_default()
}

/// Returns the texts of the entries of a page.
pub(super) fn texts(entries: &[Entry]) -> Vec<&str> {
    entries.iter().map(text).collect()
}
