use crate::core::capacity::shrink;

/// A list of slots in the order of their last use: every operation takes constant time. Slots are
/// numbered without holes, as in the vector of the rooms that they are places of.
#[derive(Debug, Default)]
pub(super) struct Recency {
    /// The neighbours of each slot.
    links: Vec<Link>,
    oldest: Option<u32>,
    newest: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Link {
    is_listed: bool,
    older: Option<u32>,
    newer: Option<u32>,
}

impl Recency {
    /// Adds a slot after the last one. It is not listed yet.
    pub(super) fn push_slot(&mut self) {
        self.links.push(Link::default());
    }

    /// Makes a slot the most recently used one.
    pub(super) fn touch(&mut self, slot: u32) {
        self.remove(slot);
        let older = self.newest;
        self.links[slot as usize] = Link { is_listed: true, older, newer: None };
        self.set_newer(older, Some(slot));
        self.newest = Some(slot);
    }

    /// Removes a slot from the list.
    pub(super) fn remove(&mut self, slot: u32) {
        let Link { is_listed, older, newer } = std::mem::take(&mut self.links[slot as usize]);
        if is_listed {
            self.set_newer(older, newer);
            self.set_older(newer, older);
        }
    }

    /// Removes a slot, to which the last slot is moved, like [`Vec::swap_remove`].
    pub(super) fn swap_remove(&mut self, slot: u32) {
        self.remove(slot);
        self.links.swap_remove(slot as usize);
        let moved = self.links.get(slot as usize).copied();
        if let Some(Link { is_listed: true, older, newer }) = moved {
            self.set_newer(older, Some(slot));
            self.set_older(newer, Some(slot));
        }
        shrink(&mut self.links);
    }

    /// Returns whether a slot is in the list.
    pub(super) fn contains(&self, slot: u32) -> bool {
        self.links[slot as usize].is_listed
    }

    /// Returns the least recently used slot.
    pub(super) const fn oldest(&self) -> Option<u32> {
        self.oldest
    }

    /// Sets the neighbour of `slot` on the side of the newer ones; of none, the end of the list.
    fn set_newer(&mut self, slot: Option<u32>, newer: Option<u32>) {
        match slot {
            Some(slot) => self.links[slot as usize].newer = newer,
            None => self.oldest = newer,
        }
    }

    /// Sets the neighbour of `slot` on the side of the older ones; of none, the end of the list.
    fn set_older(&mut self, slot: Option<u32>, older: Option<u32>) {
        match slot {
            Some(slot) => self.links[slot as usize].older = older,
            None => self.newest = older,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn listed(recency: &Recency) -> Vec<u32> {
        let next = |slot: &u32| recency.links[*slot as usize].newer;
        std::iter::successors(recency.oldest(), next).collect()
    }

    proptest! {
        #[test]
        fn the_order_is_that_of_the_last_uses(
            steps in prop::collection::vec((0_u8..5, 0_u32..12), 0..200),
        ) {
            let mut recency = Recency::default();
            let (mut model, mut slots) = (Vec::new(), 0_u32);
            for (step, slot) in steps {
                match step {
                    0 => {
                        recency.push_slot();
                        slots += 1;
                    }
                    _ if slot >= slots => continue,
                    1 => {
                        recency.remove(slot);
                        model.retain(|listed| *listed != slot);
                    }
                    2 => {
                        recency.swap_remove(slot);
                        slots -= 1;
                        model.retain(|listed| *listed != slot);
                        for listed in model.iter_mut().filter(|listed| **listed == slots) {
                            *listed = slot;
                        }
                    }
                    _ => {
                        recency.touch(slot);
                        model.retain(|listed| *listed != slot);
                        model.push(slot);
                    }
                }
                prop_assert_eq!(listed(&recency), model.clone());
                prop_assert_eq!(recency.newest, model.last().copied());
                for slot in 0..slots {
                    prop_assert_eq!(recency.contains(slot), model.contains(&slot));
                }
            }
        }
    }
}
