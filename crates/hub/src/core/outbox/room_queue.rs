use std::collections::{HashMap, VecDeque};
use std::mem;
use std::sync::Arc;
use std::time::Instant;

use super::{DeliveryPolicy, DropReason, Dropped, QueuedPublication};
use crate::core::Position;

/// The publications of one room that wait for the connection, with the notices of those that were
/// dropped between them. Neighbouring notices have different reasons, so that there are about as
/// many notices as publications at most.
#[derive(Debug)]
pub(super) struct RoomQueue<T> {
    pub(super) policy: DeliveryPolicy,
    /// Ordered by number.
    entries: VecDeque<Entry<T>>,
    /// The publications that are queued or held, and their bytes.
    publications: usize,
    bytes: usize,
    /// The position after which the history is to be read: publications were skipped.
    resume_after: Option<Position>,
    /// The newest position that was queued or held.
    newest: Option<Position>,
    /// The keys that have a publication here or are paced, under a policy by key.
    keys: HashMap<PublicationKey, KeyState<T>>,
}

/// The key by which publications supersede each other. Those without a key share one.
pub(super) type PublicationKey = Option<Arc<str>>;

/// A publication or notice with its place in the order of writing.
#[derive(Debug)]
struct Entry<T> {
    number: u64,
    content: Content<T>,
}

#[derive(Debug)]
enum Content<T> {
    Publication { publication: QueuedPublication<T>, queued_at: Instant },
    Dropped(Dropped),
}

/// The newest publication of a key, and whether it is paced: a publication left, and the interval
/// after it has not passed.
#[derive(Debug)]
struct KeyState<T> {
    waiting: Waiting<T>,
    paced: bool,
}

#[derive(Debug)]
enum Waiting<T> {
    Nothing,
    /// Queued under this number.
    Queued(u64),
    /// Held until the interval has passed.
    Held(QueuedPublication<T>),
}

/// A change of what waits: the publications and bytes removed, and the places in the order of
/// writing that no longer have an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Removed {
    pub(super) publications: usize,
    pub(super) bytes: usize,
    pub(super) places: usize,
}

/// The result of [`RoomQueue::supersede`].
pub(super) enum Superseded<T> {
    /// The publication took the place of one with `old` bytes.
    InPlace { old: usize },
    /// The publication is to be queued. One with the same key may have been removed.
    Append { publication: QueuedPublication<T>, removed: Option<Removed> },
}

/// The result of [`RoomQueue::pop`].
pub(super) struct Popped<T> {
    pub(super) front: Front<T>,
    /// The publications that were too old.
    pub(super) expired: Removed,
}

/// The front of a room's queue.
pub(super) enum Front<T> {
    Publication(QueuedPublication<T>),
    Dropped(Dropped),
}

impl<T> RoomQueue<T> {
    pub(super) fn new(policy: DeliveryPolicy) -> Self {
        Self {
            policy,
            entries: VecDeque::new(),
            publications: 0,
            bytes: 0,
            resume_after: None,
            newest: None,
            keys: HashMap::new(),
        }
    }

    /// Returns whether nothing depends on the queue any more.
    pub(super) fn is_unused(&self) -> bool {
        self.entries.is_empty() && self.keys.is_empty() && self.resume_after.is_none()
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn publications(&self) -> usize {
        self.publications
    }

    /// Returns whether publications are skipped until the history was read.
    pub(super) fn is_behind(&self) -> bool {
        self.resume_after.is_some()
    }

    /// Returns the number of publications and notices that are queued.
    #[cfg(test)]
    pub(super) fn entries(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn has_entry(&self, number: u64) -> bool {
        self.entries.binary_search_by_key(&number, |entry| entry.number).is_ok()
    }

    /// Replaces the waiting publication of the same key, if there is one and `fits` accepts its
    /// size; otherwise removes it.
    pub(super) fn supersede(
        &mut self,
        now: Instant,
        new: QueuedPublication<T>,
        fits: impl Fn(usize) -> bool,
    ) -> Superseded<T> {
        let Some(key) = self.keys.get_mut(&new.key) else {
            return Superseded::Append { publication: new, removed: None };
        };
        let (old, at) = match &mut key.waiting {
            Waiting::Nothing => return Superseded::Append { publication: new, removed: None },
            Waiting::Held(held) => {
                let old = held.size;
                if fits(old) {
                    self.bytes = self.bytes - old + new.size;
                    self.newest = new.position.or(self.newest);
                    *held = new;
                    return Superseded::InPlace { old };
                }
                key.waiting = Waiting::Nothing;
                (old, None)
            }
            Waiting::Queued(number) => {
                let number = *number;
                let index = self.entries.binary_search_by_key(&number, |entry| entry.number);
                let entry = index.ok().and_then(|index| self.entries.get_mut(index));
                let Some(Content::Publication { publication, queued_at }) =
                    entry.map(|entry| &mut entry.content)
                else {
                    return Superseded::Append { publication: new, removed: None };
                };
                let old = publication.size;
                if fits(old) {
                    self.bytes = self.bytes - old + new.size;
                    self.newest = new.position.or(self.newest);
                    (*publication, *queued_at) = (new, now);
                    return Superseded::InPlace { old };
                }
                key.waiting = Waiting::Nothing;
                (old, index.ok())
            }
        };
        if !key.paced {
            self.keys.remove(&new.key);
        }
        if let Some(index) = at {
            self.entries.remove(index);
        }
        self.publications -= 1;
        self.bytes -= old;
        let removed = Removed { publications: 1, bytes: old, places: usize::from(at.is_some()) };
        Superseded::Append { publication: new, removed: Some(removed) }
    }

    /// Returns whether a publication of this key has to wait for the end of an interval.
    pub(super) fn is_paced(&self, key: &PublicationKey) -> bool {
        self.keys.get(key).is_some_and(|state| state.paced)
    }

    /// Appends a publication under `number`. `paced` begins an interval of its key.
    pub(super) fn append(
        &mut self,
        number: u64,
        now: Instant,
        publication: QueuedPublication<T>,
        paced: bool,
    ) {
        self.publications += 1;
        self.bytes += publication.size;
        self.newest = publication.position.or(self.newest);
        if self.policy.is_by_key() {
            let waiting = Waiting::Queued(number);
            self.keys.insert(publication.key.clone(), KeyState { waiting, paced });
        }
        let content = Content::Publication { publication, queued_at: now };
        self.entries.push_back(Entry { number, content });
    }

    /// Holds a publication until its key is released.
    pub(super) fn hold(&mut self, publication: QueuedPublication<T>) {
        self.publications += 1;
        self.bytes += publication.size;
        self.newest = publication.position.or(self.newest);
        let key = publication.key.clone();
        self.keys.insert(key, KeyState { waiting: Waiting::Held(publication), paced: true });
    }

    /// Ends the interval of a key, and removes the publication that was held for it.
    pub(super) fn release(&mut self, key: &PublicationKey) -> Option<QueuedPublication<T>> {
        let state = self.keys.get_mut(key)?;
        state.paced = false;
        if matches!(state.waiting, Waiting::Queued(_)) {
            return None;
        }
        let Waiting::Held(held) = self.keys.remove(key)?.waiting else { return None };
        self.publications -= 1;
        self.bytes -= held.size;
        Some(held)
    }

    /// Removes the entry under `number`, if it is the first. Publications queued before `oldest`
    /// become a notice.
    pub(super) fn pop(&mut self, number: u64, oldest: Option<Instant>) -> Option<Popped<T>> {
        if self.entries.front()?.number != number {
            return None;
        }
        let expired = self.drop_expired(oldest);
        if expired.publications > 0 {
            return self
                .pop_notice()
                .map(|dropped| Popped { front: Front::Dropped(dropped), expired });
        }
        let front = match self.entries.pop_front()?.content {
            Content::Dropped(dropped) => Front::Dropped(dropped),
            Content::Publication { mut publication, .. } => {
                self.on_removed(&publication);
                if self.policy.is_by_key() {
                    publication.position = self.newest.filter(|_| self.publications == 0);
                }
                Front::Publication(publication)
            }
        };
        Some(Popped { front, expired })
    }

    /// Drops the oldest publication that is queued, and notes it in its place.
    pub(super) fn drop_oldest(&mut self) -> Option<Removed> {
        let index = self.entries.iter().position(Entry::is_publication)?;
        self.drop_at(index, DropReason::Full)
    }

    /// Drops the newest publication that is queued, and notes it in its place.
    pub(super) fn drop_newest(&mut self) -> Option<Removed> {
        let index = self.entries.iter().rposition(Entry::is_publication)?;
        self.drop_at(index, DropReason::Full)
    }

    /// Notes that a publication was dropped before it was queued. Returns whether `number` was used
    /// for a notice of its own.
    pub(super) fn note_dropped(&mut self, number: u64, publication: &QueuedPublication<T>) -> bool {
        let dropped = Dropped::one(publication, DropReason::Full);
        if let Some(Content::Dropped(last)) = self.entries.back_mut().map(|last| &mut last.content)
        {
            if last.extend(dropped) {
                return false;
            }
        }
        self.entries.push_back(Entry { number, content: Content::Dropped(dropped) });
        true
    }

    /// Drops everything that waits, to be read from the history later. Returns `None`, and drops
    /// nothing, if the position to read after is not known.
    pub(super) fn skip(&mut self, new: Option<&QueuedPublication<T>>) -> Option<Removed> {
        let first = self.entries.front().map(|entry| match &entry.content {
            Content::Publication { publication, .. } => publication.after,
            Content::Dropped(dropped) => dropped.after,
        });
        let after = first.or_else(|| new.map(|new| new.after)).flatten()?;
        self.resume_after = Some(after);
        Some(self.clear())
    }

    /// Ends the skipping, and returns the position after which the history is to be read.
    pub(super) fn take_resume(&mut self) -> Option<Position> {
        self.resume_after.take()
    }

    /// Removes everything that waits.
    pub(super) fn clear(&mut self) -> Removed {
        let removed = Removed {
            publications: self.publications,
            bytes: self.bytes,
            places: self.entries.len(),
        };
        self.entries.clear();
        self.keys.clear();
        (self.publications, self.bytes, self.newest) = (0, 0, None);
        removed
    }

    /// Turns the publication at `index` into a notice, or into part of a notice beside it.
    fn drop_at(&mut self, index: usize, reason: DropReason) -> Option<Removed> {
        let entry = self.entries.get_mut(index)?;
        let Content::Publication { publication, .. } = &entry.content else { return None };
        let dropped = Dropped::one(publication, reason);
        let content = mem::replace(&mut entry.content, Content::Dropped(dropped));
        let Content::Publication { publication, .. } = content else { return None };
        self.on_removed(&publication);
        let mut removed = Removed { publications: 1, bytes: publication.size, places: 0 };
        // The later neighbour first: `index` stays valid.
        for earlier in [Some(index), index.checked_sub(1)].into_iter().flatten() {
            removed.places += usize::from(self.merge_notices(earlier));
        }
        Some(removed)
    }

    /// Merges the notices at `earlier` and behind it, if both are notices of one reason.
    fn merge_notices(&mut self, earlier: usize) -> bool {
        let Some(Content::Dropped(later)) =
            self.entries.get(earlier + 1).map(|entry| &entry.content)
        else {
            return false;
        };
        let later = *later;
        let Some(Content::Dropped(notice)) =
            self.entries.get_mut(earlier).map(|entry| &mut entry.content)
        else {
            return false;
        };
        let merged = notice.extend(later);
        if merged {
            self.entries.remove(earlier + 1);
        }
        merged
    }

    /// Drops the first publications that were queued before `oldest`, and notes them.
    fn drop_expired(&mut self, oldest: Option<Instant>) -> Removed {
        let mut expired = Removed::default();
        let Some(oldest) = oldest else { return expired };
        loop {
            let first =
                self.entries.iter().enumerate().find_map(|(index, entry)| match &entry.content {
                    Content::Publication { queued_at, .. } => Some((index, *queued_at)),
                    Content::Dropped(_) => None,
                });
            let Some((index, _)) = first.filter(|(_, queued_at)| *queued_at < oldest) else {
                return expired;
            };
            let Some(removed) = self.drop_at(index, DropReason::Expired) else { return expired };
            expired.publications += removed.publications;
            expired.bytes += removed.bytes;
            expired.places += removed.places;
        }
    }

    fn pop_notice(&mut self) -> Option<Dropped> {
        match self.entries.pop_front()?.content {
            Content::Dropped(dropped) => Some(dropped),
            Content::Publication { .. } => None,
        }
    }

    /// Accounts for a publication that is queued no more.
    fn on_removed(&mut self, publication: &QueuedPublication<T>) {
        self.publications -= 1;
        self.bytes -= publication.size;
        if let Some(state) = self.keys.get_mut(&publication.key) {
            if state.paced {
                state.waiting = Waiting::Nothing;
            } else {
                self.keys.remove(&publication.key);
            }
        }
    }
}

impl<T> Entry<T> {
    fn is_publication(&self) -> bool {
        matches!(self.content, Content::Publication { .. })
    }
}

impl Dropped {
    fn one<T>(publication: &QueuedPublication<T>, reason: DropReason) -> Self {
        let QueuedPublication { room, after, position, .. } = *publication;
        Self { room, count: 1, reason, after, up_to: position }
    }

    /// Adds the publications that were dropped behind these. Returns `false`, and adds nothing, if
    /// they were dropped for another reason.
    fn extend(&mut self, later: Self) -> bool {
        if self.reason != later.reason {
            return false;
        }
        self.count += later.count;
        self.up_to = later.up_to;
        true
    }
}
