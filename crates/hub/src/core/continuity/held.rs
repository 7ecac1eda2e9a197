use std::collections::VecDeque;

use crate::core::history::Limit;

/// A queue of what waits for a proof, bounded in number and bytes.
#[derive(Clone, Debug)]
pub(super) struct Held<T> {
    items: VecDeque<(usize, T)>,
    bytes: usize,
    limit: Limit,
}

impl<T> Held<T> {
    pub(super) const fn new(limit: Limit) -> Self {
        Self { items: VecDeque::new(), bytes: 0, limit }
    }

    /// Appends an item, and returns whether there was room for it.
    pub(super) fn push(&mut self, size: usize, item: T) -> bool {
        let fits = self.limit.holds(self.items.len(), self.bytes, size);
        if fits {
            self.bytes += size;
            self.items.push_back((size, item));
        }
        fits
    }

    pub(super) fn pop(&mut self) -> Option<T> {
        let (size, item) = self.items.pop_front()?;
        self.bytes -= size;
        Some(item)
    }

    /// Removes all items and releases their memory.
    pub(super) fn take(&mut self) -> impl Iterator<Item = T> + use<T> {
        self.bytes = 0;
        std::mem::take(&mut self.items).into_iter().map(|(_, item)| item)
    }

    pub(super) fn front(&self) -> Option<&T> {
        self.items.front().map(|(_, item)| item)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().map(|(_, item)| item)
    }

    pub(super) fn len(&self) -> usize {
        self.items.len()
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
