//! The bounded queue between a room's publications and one connection.

mod item;
mod limits;
mod policy;
mod room_queue;
#[cfg(test)]
mod tests;

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Instant;

pub use item::{DropReason, Dropped, Item, QueuedPublication};
pub use limits::OutboxLimits;
pub use policy::DeliveryPolicy;
use room_queue::{Front, Popped, PublicationKey, Removed, RoomQueue, Superseded};

use super::RoomKey;

/// The messages that wait for one connection: replies, and publications of its rooms.
///
/// ```text
///  push_reply ──────────────────────────────┐
///                                           ▼
///  push ──► policy of the room ──► queue, in the order of arrival ──► pop ──► the connection
///              │         │                  ▲
///              │         └─ Conflate: held, until on_timeout
///              └─ full: wait, drop (told by a notice in its place), disconnect, or catch up
/// ```
///
/// * Replies are never dropped. When they exceed [`OutboxLimits::reply_bytes`], the connection is
///   to be closed with 1013 ([`ReplyOverflow`]).
/// * Publications of a room leave in the order in which they were pushed, except that under
///   [`LatestByKey`](DeliveryPolicy::LatestByKey) and [`Conflate`](DeliveryPolicy::Conflate) a
///   publication takes the place of the queued one with the same key.
/// * Every publication that is pushed is popped, dropped, superseded, skipped or still queued:
///   [`OutboxCounts`] has the sums. Each drop is also an [`Item::Dropped`] in the place where the
///   publication is missing.
/// * The queue is shared fairly between rooms. When it is full, and the room of the new publication
///   holds less than its share (the bound divided by the number of rooms that hold some), space is
///   made in the room that holds most, by that room's policy. Finding that room takes time in
///   proportion to the rooms that hold publications, of which there are at most
///   [`OutboxLimits::messages`].
///
/// `T` is what the driver of the connection writes, and is cheap to move.
#[derive(Debug)]
pub struct Outbox<T> {
    limits: OutboxLimits,
    /// The entries to be written, in order. Entries whose message was dropped since stay until they
    /// are reached, or outnumber the others.
    order: VecDeque<Ticket>,
    stale: usize,
    next_number: u64,
    replies: VecDeque<(T, usize)>,
    reply_bytes: usize,
    rooms: HashMap<RoomKey, RoomQueue<T>>,
    /// The rooms whose publications are skipped until their history was read.
    behind: VecDeque<RoomKey>,
    /// The publications that wait, and their bytes.
    messages: usize,
    bytes: usize,
    releases: BinaryHeap<Release>,
    counts: OutboxCounts,
}

/// A place in the order of writing.
#[derive(Clone, Copy, Debug)]
struct Ticket {
    number: u64,
    /// The room whose message it is for; `None` for a reply.
    room: Option<RoomKey>,
}

/// The result of [`Outbox::push`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub enum Pushed<T> {
    /// The publication is queued, was dropped and counted, or will be read from history.
    Done,
    /// The outbox is full, and the policy is [`Wait`](DeliveryPolicy::Wait): the publication is
    /// returned, to be pushed again once something was popped.
    Full(QueuedPublication<T>),
    /// The outbox is full, and the policy is [`Disconnect`](DeliveryPolicy::Disconnect): the
    /// connection is to be closed with 1013.
    Disconnect,
}

/// Replies exceed [`OutboxLimits::reply_bytes`]: the client asks faster than it reads. The
/// connection is to be closed with 1013.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplyOverflow;

/// The sums of an outbox since its creation. `pushed` equals the sum of the other counts and of the
/// publications that are queued or held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OutboxCounts {
    /// Publications that were pushed.
    pub pushed: u64,
    /// Publications that were popped.
    pub popped: u64,
    /// Publications dropped in favour of those queued before.
    pub dropped_newest: u64,
    /// Queued publications dropped in favour of newer ones.
    pub dropped_oldest: u64,
    /// Publications dropped at [`OutboxLimits::max_age`].
    pub expired: u64,
    /// Publications replaced by a newer one with the same key.
    pub superseded: u64,
    /// Publications left to be read from history.
    pub skipped: u64,
}

impl<T> Outbox<T> {
    /// Creates an empty outbox, which allocates nothing.
    pub fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            order: VecDeque::new(),
            stale: 0,
            next_number: 0,
            replies: VecDeque::new(),
            reply_bytes: 0,
            rooms: HashMap::new(),
            behind: VecDeque::new(),
            messages: 0,
            bytes: 0,
            releases: BinaryHeap::new(),
            counts: OutboxCounts::default(),
        }
    }

    /// Queues a reply or a notice of `size` bytes, behind everything that was queued before.
    ///
    /// # Errors
    /// If the replies that wait would exceed their bound. The reply is not queued then.
    pub fn push_reply(&mut self, reply: T, size: usize) -> Result<(), ReplyOverflow> {
        if !self.fits_reply(size) {
            return Err(ReplyOverflow);
        }
        self.reply_bytes = self.reply_bytes.saturating_add(size);
        self.replies.push_back((reply, size));
        self.append(None);
        Ok(())
    }

    /// Returns whether [`push_reply`](Self::push_reply) takes a reply of `size` bytes.
    pub fn fits_reply(&self, size: usize) -> bool {
        self.reply_bytes == 0 || self.reply_bytes.saturating_add(size) <= self.limits.reply_bytes
    }

    /// Queues a publication that was read from the history, whatever waits: the caller bounds what
    /// it reads by what is free. Later publications of the room may drop it, or skip it to be read
    /// again.
    pub fn push_recovered(&mut self, now: Instant, publication: QueuedPublication<T>) {
        let room = publication.room;
        let policy = DeliveryPolicy::Wait;
        let state = self.rooms.entry(room).or_insert_with(|| RoomQueue::new(policy));
        state.policy = policy;
        self.counts.pushed += 1;
        if state.is_behind() {
            self.counts.skipped += 1;
        } else {
            self.enqueue(now, publication);
        }
    }

    /// Queues a publication of a room, by the room's policy.
    pub fn push(
        &mut self,
        now: Instant,
        publication: QueuedPublication<T>,
        policy: DeliveryPolicy,
    ) -> Pushed<T> {
        let room = publication.room;
        let state = self.rooms.entry(room).or_insert_with(|| RoomQueue::new(policy));
        state.policy = policy;
        self.counts.pushed += 1;
        if state.is_behind() {
            self.counts.skipped += 1;
            return Pushed::Done;
        }
        let Some(publication) = self.supersede(now, publication) else { return Pushed::Done };
        let pushed = match self.make_space(&publication) {
            Space::Made => {
                self.enqueue(now, publication);
                Pushed::Done
            }
            Space::Drop => {
                self.note_dropped(&publication);
                Pushed::Done
            }
            Space::Skip => {
                self.counts.skipped += 1;
                Pushed::Done
            }
            Space::Wait => {
                self.counts.pushed -= 1;
                Pushed::Full(publication)
            }
            Space::Disconnect => {
                self.note_dropped(&publication);
                Pushed::Disconnect
            }
        };
        self.forget_unused(room);
        pushed
    }

    /// Returns the next item for the connection.
    pub fn pop(&mut self, now: Instant) -> Option<Item<T>> {
        while let Some(ticket) = self.order.pop_front() {
            let Some(room) = ticket.room else {
                let (reply, size) = self.replies.pop_front()?;
                self.reply_bytes -= size;
                return Some(Item::Reply(reply));
            };
            if let Some(item) = self.pop_room(now, room, ticket.number) {
                return Some(item);
            }
        }
        self.pop_resume()
    }

    /// Returns when [`on_timeout`](Self::on_timeout) is to be called, if ever.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.releases.peek().map(|release| release.at)
    }

    /// Queues the held publications whose interval has passed. [`pop`](Self::pop) may have items
    /// afterwards.
    pub fn on_timeout(&mut self, now: Instant) {
        while self.releases.peek().is_some_and(|release| release.at <= now) {
            let Some(Release { room, key, .. }) = self.releases.pop() else { return };
            let Some(held) = self.rooms.get_mut(&room).map(|state| state.release(&key)) else {
                continue;
            };
            if let Some(publication) = held {
                // Its space was charged while it was held.
                self.messages -= 1;
                self.bytes -= publication.size;
                self.enqueue(now, publication);
            }
            self.forget_unused(room);
        }
    }

    /// Removes what waits of a room that the session leaves. The publications count as skipped.
    pub fn remove_room(&mut self, room: RoomKey) {
        let Some(mut state) = self.rooms.remove(&room) else { return };
        let removed = state.clear();
        self.counts.skipped += removed.publications as u64;
        self.subtract(removed);
        self.behind.retain(|behind| *behind != room);
        self.releases.retain(|release| release.room != room);
    }

    /// Returns the number of publications and replies that wait.
    pub fn len(&self) -> usize {
        self.messages + self.replies.len()
    }

    /// Returns whether nothing waits: no reply, publication, notice or history to be read.
    pub fn is_empty(&self) -> bool {
        self.order.len() == self.stale && self.messages == 0 && self.behind.is_empty()
    }

    /// Returns the bytes of the publications and replies that wait.
    pub fn bytes(&self) -> usize {
        self.bytes + self.reply_bytes
    }

    /// Returns the sums since the creation.
    pub fn counts(&self) -> OutboxCounts {
        self.counts
    }

    /// Lets a publication take the place of a waiting one with the same key. Returns it if it is
    /// still to be queued.
    fn supersede(
        &mut self,
        now: Instant,
        publication: QueuedPublication<T>,
    ) -> Option<QueuedPublication<T>> {
        let (size, bytes, limit) = (publication.size, self.bytes, self.limits.bytes);
        let Some(state) = self.rooms.get_mut(&publication.room) else { return Some(publication) };
        if !state.policy.is_by_key() {
            return Some(publication);
        }
        let fits = |old: usize| (bytes - old).saturating_add(size) <= limit;
        match state.supersede(now, publication, fits) {
            Superseded::InPlace { old } => {
                self.bytes = self.bytes - old + size;
                self.counts.superseded += 1;
                None
            }
            Superseded::Append { publication, removed } => {
                if let Some(removed) = removed {
                    self.counts.superseded += removed.publications as u64;
                    self.subtract(removed);
                }
                Some(publication)
            }
        }
    }

    /// Makes space for a publication.
    fn make_space(&mut self, new: &QueuedPublication<T>) -> Space {
        while self.messages > 0
            && (self.messages >= self.limits.messages
                || self.bytes.saturating_add(new.size) > self.limits.bytes)
        {
            let room = self.room_to_shorten(new.room);
            let own = room == new.room;
            let Some(state) = self.rooms.get_mut(&room) else { return Space::Drop };
            let skipped = match state.policy {
                DeliveryPolicy::CatchUp => state.skip(own.then_some(new)),
                _ => None,
            };
            if let Some(removed) = skipped {
                self.counts.skipped += removed.publications as u64;
                self.subtract(removed);
                self.behind.push_back(room);
                if own {
                    return Space::Skip;
                }
                continue;
            }
            let (removed, count) = match state.policy {
                DeliveryPolicy::Wait => return Space::Wait,
                DeliveryPolicy::Disconnect => return Space::Disconnect,
                DeliveryPolicy::DropNewest if own => return Space::Drop,
                DeliveryPolicy::DropNewest => {
                    (state.drop_newest(), &mut self.counts.dropped_newest)
                }
                DeliveryPolicy::DropOldest
                | DeliveryPolicy::LatestByKey
                | DeliveryPolicy::CatchUp
                | DeliveryPolicy::Conflate { .. } => {
                    (state.drop_oldest(), &mut self.counts.dropped_oldest)
                }
            };
            let Some(removed) = removed else { return Space::Drop };
            *count += removed.publications as u64;
            self.subtract(removed);
        }
        Space::Made
    }

    /// Returns the room in which space is made for a publication of `room`: this room if it holds
    /// its share, or else the room that holds most among those whose policy can make space.
    fn room_to_shorten(&self, room: RoomKey) -> RoomKey {
        let own = self.rooms.get(&room).map_or(0, |state| self.fill(state));
        if own >= self.capacity() / self.rooms.len().max(1) as u128 {
            return room;
        }
        let others = self.rooms.iter().filter(|(_, state)| state.policy != DeliveryPolicy::Wait);
        let fullest = others.max_by_key(|(_, state)| self.fill(state));
        fullest.filter(|(_, state)| self.fill(state) > own).map_or(room, |(room, _)| *room)
    }

    /// Returns the part of the outbox that a room fills, of [`capacity`](Self::capacity): by bytes
    /// or by messages, whichever is more.
    fn fill(&self, state: &RoomQueue<T>) -> u128 {
        let by_bytes = state.bytes() as u128 * self.limits.messages as u128;
        by_bytes.max(state.publications() as u128 * self.limits.bytes as u128)
    }

    fn capacity(&self) -> u128 {
        self.limits.bytes as u128 * self.limits.messages as u128
    }

    /// Queues a publication for which there is space, or holds it.
    fn enqueue(&mut self, now: Instant, publication: QueuedPublication<T>) {
        let room = publication.room;
        self.messages += 1;
        self.bytes += publication.size;
        let number = self.next_number;
        let Some(state) = self.rooms.get_mut(&room) else { return };
        if state.is_paced(&publication.key) {
            state.hold(publication);
            return;
        }
        let mut paced = false;
        if let DeliveryPolicy::Conflate { interval } = state.policy {
            if self.releases.len() < self.limits.messages {
                paced = true;
                self.releases.push(Release {
                    at: now + interval,
                    room,
                    key: publication.key.clone(),
                });
            }
        }
        state.append(number, now, publication, paced);
        self.append(Some(room));
    }

    /// Notes that a publication was dropped before it was queued.
    fn note_dropped(&mut self, publication: &QueuedPublication<T>) {
        self.counts.dropped_newest += 1;
        let Some(state) = self.rooms.get_mut(&publication.room) else { return };
        if state.note_dropped(self.next_number, publication) {
            self.append(Some(publication.room));
        }
    }

    fn pop_room(&mut self, now: Instant, room: RoomKey, number: u64) -> Option<Item<T>> {
        let oldest = self.limits.max_age.and_then(|age| now.checked_sub(age));
        let popped = self.rooms.get_mut(&room).and_then(|state| state.pop(number, oldest));
        let Some(Popped { front, expired }) = popped else {
            self.stale -= 1;
            return None;
        };
        self.counts.expired += expired.publications as u64;
        self.subtract(expired);
        self.forget_unused(room);
        Some(match front {
            Front::Dropped(dropped) => Item::Dropped(dropped),
            Front::Publication(publication) => {
                self.counts.popped += 1;
                self.messages -= 1;
                self.bytes -= publication.size;
                Item::Publication(publication)
            }
        })
    }

    fn pop_resume(&mut self) -> Option<Item<T>> {
        let room = self.behind.pop_front()?;
        let after = self.rooms.get_mut(&room)?.take_resume()?;
        self.forget_unused(room);
        Some(Item::Resume { room, after })
    }

    /// Gives the next place in the order of writing to a reply, or to an entry of a room.
    fn append(&mut self, room: Option<RoomKey>) {
        self.order.push_back(Ticket { number: self.next_number, room });
        self.next_number += 1;
    }

    fn subtract(&mut self, removed: Removed) {
        self.messages -= removed.publications;
        self.bytes -= removed.bytes;
        self.stale += removed.places;
        if self.stale > FEW_STALE && self.stale > self.order.len() / 2 {
            let rooms = &self.rooms;
            self.order.retain(|Ticket { number, room }| match room {
                Some(room) => rooms.get(room).is_some_and(|state| state.has_entry(*number)),
                None => true,
            });
            self.stale = 0;
        }
    }

    fn forget_unused(&mut self, room: RoomKey) {
        if self.rooms.get(&room).is_some_and(RoomQueue::is_unused) {
            self.rooms.remove(&room);
        }
    }
}

/// The number of places without an entry that are not worth a pass over the order.
const FEW_STALE: usize = 64;

/// The result of [`Outbox::make_space`].
enum Space {
    Made,
    Drop,
    Skip,
    Wait,
    Disconnect,
}

/// The end of the interval of a key. The earliest is the greatest, as the heap wants it.
#[derive(Debug)]
struct Release {
    at: Instant,
    room: RoomKey,
    key: PublicationKey,
}

impl Ord for Release {
    fn cmp(&self, other: &Self) -> Ordering {
        other.at.cmp(&self.at)
    }
}

impl PartialEq for Release {
    fn eq(&self, other: &Self) -> bool {
        self.at == other.at
    }
}

impl Eq for Release {}

impl PartialOrd for Release {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
