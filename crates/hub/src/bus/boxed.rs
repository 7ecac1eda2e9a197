use std::sync::Arc;

use bytes::Bytes;

use super::{Bus, BusFuture, EventSender, Source};
use crate::core::history::{Page, Range, Retention};
use crate::core::{Epoch, NodeId, Position, Publication, RoomName};

/// A bus that is chosen when the program runs.
impl<B: Bus + ?Sized> Bus for Box<B> {
    fn attach(&self, node: NodeId, events: EventSender) {
        (**self).attach(node, events);
    }

    fn publish<'a>(
        &'a self,
        room: &'a RoomName,
        publication: Arc<Publication>,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        (**self).publish(room, publication, retention)
    }

    fn subscribe<'a>(
        &'a self,
        room: &'a RoomName,
        retention: Option<&'a Retention>,
    ) -> BusFuture<'a, Option<Position>> {
        (**self).subscribe(room, retention)
    }

    fn unsubscribe<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        (**self).unsubscribe(room)
    }

    fn read<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        range: Range,
        source: Source,
    ) -> BusFuture<'a, Page> {
        (**self).read(room, retention, range, source)
    }

    fn top<'a>(&'a self, room: &'a RoomName, retention: &'a Retention) -> BusFuture<'a, Position> {
        (**self).top(room, retention)
    }

    fn replace_epoch<'a>(
        &'a self,
        room: &'a RoomName,
        retention: &'a Retention,
        expected: Epoch,
    ) -> BusFuture<'a, Position> {
        (**self).replace_epoch(room, retention, expected)
    }

    fn remove_history<'a>(&'a self, room: &'a RoomName) -> BusFuture<'a, ()> {
        (**self).remove_history(room)
    }

    fn send(&self, to: Option<NodeId>, bytes: Bytes) -> BusFuture<'_, ()> {
        (**self).send(to, bytes)
    }
}
