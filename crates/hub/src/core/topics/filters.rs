use std::collections::HashMap;
use std::sync::Arc;

use crate::core::capacity::shrink;
use crate::core::filter::Filter;

/// The filters of a room's members, by the places of those that have one. Equal filters are kept
/// once, so that a publication is matched once by each distinct filter, however many members have
/// it.
#[derive(Debug, Default)]
pub(super) struct Filters {
    /// The slot of the filter at each place.
    slots: Vec<u32>,
    distinct: Vec<Option<Distinct>>,
    /// The slots of `distinct` without a filter.
    vacant: Vec<u32>,
    slot_of: HashMap<Arc<Filter>, u32>,
}

#[derive(Debug)]
struct Distinct {
    filter: Arc<Filter>,
    /// The number of members that have it, at least one.
    members: usize,
}

impl Filters {
    pub(super) fn len(&self) -> usize {
        self.slots.len()
    }

    pub(super) fn get(&self, place: usize) -> Option<&Arc<Filter>> {
        let slot = *self.slots.get(place)?;
        self.distinct[slot as usize].as_ref().map(|distinct| &distinct.filter)
    }

    pub(super) fn push(&mut self, filter: Arc<Filter>) {
        let slot = self.acquire(filter);
        self.slots.push(slot);
    }

    pub(super) fn replace(&mut self, place: usize, filter: Arc<Filter>) {
        let slot = self.acquire(filter);
        let replaced = std::mem::replace(&mut self.slots[place], slot);
        self.release(replaced);
    }

    pub(super) fn swap_remove(&mut self, place: usize) {
        let slot = self.slots.swap_remove(place);
        shrink(&mut self.slots);
        self.release(slot);
    }

    /// Returns for each place whether its filter matches.
    pub(super) fn verdicts(
        &self,
        tags: &[(Box<str>, Box<str>)],
    ) -> impl Iterator<Item = bool> + use<'_> {
        let matches = |distinct: &Option<Distinct>| {
            distinct.as_ref().is_some_and(|distinct| distinct.filter.matches(tags))
        };
        let verdicts: Vec<bool> = self.distinct.iter().map(matches).collect();
        self.slots.iter().map(move |&slot| verdicts[slot as usize])
    }

    /// Returns the slot of a filter for one more member.
    fn acquire(&mut self, filter: Arc<Filter>) -> u32 {
        if let Some(&slot) = self.slot_of.get(&filter) {
            if let Some(distinct) = &mut self.distinct[slot as usize] {
                distinct.members += 1;
            }
            return slot;
        }
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.distinct.push(None);
            u32::try_from(self.distinct.len() - 1).expect("at most two slots for each member")
        });
        self.slot_of.insert(Arc::clone(&filter), slot);
        self.distinct[slot as usize] = Some(Distinct { filter, members: 1 });
        slot
    }

    /// Gives back the slot of one member.
    fn release(&mut self, slot: u32) {
        let entry = &mut self.distinct[slot as usize];
        let Some(distinct) = entry else { return };
        distinct.members -= 1;
        if distinct.members > 0 {
            return;
        }
        self.slot_of.remove(&distinct.filter);
        *entry = None;
        self.vacant.push(slot);
        if self.vacant.len() > self.slots.len() {
            self.remove_vacant_slots();
        }
    }

    /// Numbers the slots anew. Called when as many slots were vacated as there are places, so that
    /// its cost is that of the releases before.
    fn remove_vacant_slots(&mut self) {
        let mut new_slots = Vec::with_capacity(self.distinct.len());
        let mut next = 0;
        for distinct in &self.distinct {
            new_slots.push(next);
            next += u32::from(distinct.is_some());
        }
        for slot in self.slots.iter_mut().chain(self.slot_of.values_mut()) {
            *slot = new_slots[*slot as usize];
        }
        self.distinct.retain(Option::is_some);
        self.distinct.shrink_to_fit();
        self.slot_of.shrink_to_fit();
        self.vacant = Vec::new();
    }
}
