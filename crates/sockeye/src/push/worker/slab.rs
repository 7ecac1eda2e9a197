use crate::push::id::MAX_SLOTS;

/// Values by the number of their slot; the slots of removed values are reused.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    places: Vec<Option<Box<T>>>,
    free: Vec<usize>,
    length: usize,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), length: 0 }
    }
}

impl<T> Slab<T> {
    /// Returns the slot of the next value; `None` when no slot is left.
    pub(crate) fn next_slot(&self) -> Option<usize> {
        let slot = self.free.last().copied().unwrap_or(self.places.len());
        (slot < MAX_SLOTS).then_some(slot)
    }

    /// Inserts a value into the slot that [`Slab::next_slot`] returned.
    pub(crate) fn insert(&mut self, slot: usize, value: Box<T>) {
        if self.free.pop().is_none() {
            self.places.push(None);
        }
        self.places[slot] = Some(value);
        self.length += 1;
    }

    #[inline]
    pub(crate) fn get_mut(&mut self, slot: usize) -> Option<&mut T> {
        self.places.get_mut(slot)?.as_deref_mut()
    }

    pub(crate) fn remove(&mut self, slot: usize) -> Option<Box<T>> {
        let value = self.places.get_mut(slot)?.take()?;
        self.free.push(slot);
        self.length -= 1;
        Some(value)
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// Returns all slots, including those without a value.
    pub(crate) fn slots(&self) -> std::ops::Range<usize> {
        0..self.places.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_used_again() {
        let mut slab = Slab::default();
        for value in 0..3 {
            let slot = slab.next_slot().unwrap();
            assert_eq!(slot, value);
            slab.insert(slot, Box::new(value));
        }
        assert_eq!(slab.remove(1).as_deref(), Some(&1));
        assert_eq!(slab.remove(1), None);
        assert_eq!(slab.len(), 2);
        assert_eq!(slab.next_slot(), Some(1));
        slab.insert(1, Box::new(7));
        assert_eq!(slab.get_mut(1), Some(&mut 7));
        assert_eq!(slab.get_mut(9), None);
        assert_eq!(slab.next_slot(), Some(3));
    }
}
