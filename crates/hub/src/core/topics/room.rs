use std::sync::Arc;

use crate::core::RoomName;
use crate::core::filter::Filter;

use super::MemberKey;
use super::filters::Filters;
use super::members::Members;

/// A room with its members. Those with a filter stand first, in the order of `filters`:
///
/// ```text
///     members   a  b  c | d  e  f  g  h
///     filters   1  2  1 |
/// ```
///
/// The members without a filter are thus contiguous, and the filters of others cost them nothing.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) name: RoomName,
    members: Members,
    /// Not empty.
    filters: Option<Box<Filters>>,
}

/// The members whose place changed, with their new places.
pub(super) type Moved = [Option<(MemberKey, u32)>; 2];

impl Room {
    pub(super) const fn new(name: RoomName) -> Self {
        Self { name, members: Members::new(), filters: None }
    }

    #[inline]
    pub(super) fn members(&self) -> &[MemberKey] {
        self.members.as_slice()
    }

    pub(super) fn members_without_filter(&self) -> &[MemberKey] {
        &self.members()[self.filtered()..]
    }

    /// Returns the members with a filter, and whether it matches.
    pub(super) fn members_with_filter(
        &self,
        tags: &[(Box<str>, Box<str>)],
    ) -> impl Iterator<Item = (MemberKey, bool)> + use<'_> {
        let verdicts = self.filters.as_ref().map(|filters| filters.verdicts(tags));
        self.members().iter().copied().zip(verdicts.into_iter().flatten())
    }

    pub(super) fn filter(&self, place: u32) -> Option<&Arc<Filter>> {
        self.filters.as_ref()?.get(place as usize)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.members.capacity()
    }

    /// Adds a member without filter and returns its place.
    pub(super) fn push(&mut self, member: MemberKey) -> u32 {
        self.members.push(member);
        as_place(self.members().len() - 1)
    }

    /// Removes the member at a place.
    pub(super) fn remove(&mut self, place: u32) -> Moved {
        let place = place as usize;
        let hole = self.remove_filter(place);
        self.members.swap_remove(hole);
        [self.moved(place, hole != place), self.moved(hole, true)]
    }

    /// Gives the member at a place a filter, or removes the one it has.
    pub(super) fn set_filter(&mut self, place: u32, filter: Option<Arc<Filter>>) -> Moved {
        let place = place as usize;
        let Some(filter) = filter else {
            let new_place = self.remove_filter(place);
            return [self.moved(place, new_place != place), self.moved(new_place, true)];
        };
        let filtered = self.filtered();
        let filters = self.filters.get_or_insert_default();
        if place < filtered {
            filters.replace(place, filter);
            return [None, None];
        }
        filters.push(filter);
        self.members.swap(place, filtered);
        [self.moved(place, true), self.moved(filtered, true)]
    }

    /// Removes the filter of the member at a place, if it has one. Returns the member's new place,
    /// the first one of those without a filter; the member there has taken the old place.
    fn remove_filter(&mut self, place: usize) -> usize {
        let Some(filters) = &mut self.filters else { return place };
        if place >= filters.len() {
            return place;
        }
        filters.swap_remove(place);
        let first_without = filters.len();
        if first_without == 0 {
            self.filters = None;
        }
        self.members.swap(place, first_without);
        first_without
    }

    fn filtered(&self) -> usize {
        self.filters.as_ref().map_or(0, |filters| filters.len())
    }

    fn moved(&self, place: usize, moved: bool) -> Option<(MemberKey, u32)> {
        let member = self.members().get(place).filter(|_| moved)?;
        Some((*member, as_place(place)))
    }
}

/// A member is once in a room, and members have `u32` keys.
fn as_place(position: usize) -> u32 {
    u32::try_from(position).expect("a room has at most as many members as there are keys")
}
