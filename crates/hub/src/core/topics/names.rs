use std::hash::{BuildHasher, RandomState};

use hashbrown::HashTable;

use crate::core::RoomName;
use crate::core::capacity::is_wasteful;

/// A room's name with its hash, which is computed once for searches in several tables.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HashedName<'a> {
    name: &'a RoomName,
    hash: u32,
}

/// Hashes the names of rooms with the key of a [`Topics`](super::Topics), without access to it.
#[derive(Clone, Debug)]
pub(crate) struct NameHasher(RandomState);

impl NameHasher {
    pub(super) fn new() -> Self {
        Self(RandomState::new())
    }

    pub(crate) fn hash<'a>(&self, name: &'a RoomName) -> HashedName<'a> {
        HashedName { name, hash: self.hash_text(name.as_str()) }
    }

    #[expect(clippy::cast_possible_truncation, reason = "32 bits of the hash suffice")]
    pub(super) fn hash_text(&self, name: &str) -> u32 {
        self.0.hash_one(name) as u32
    }

    /// Returns the means to hash what is not a name.
    pub(super) const fn state(&self) -> &RandomState {
        &self.0
    }
}

impl<'a> HashedName<'a> {
    pub(crate) const fn name(self) -> &'a RoomName {
        self.name
    }
}

/// Values by the names of rooms. The hashes are those of one [`Topics`](super::Topics).
#[derive(Debug)]
pub(crate) struct NameMap<T> {
    entries: HashTable<Entry<T>>,
}

/// The hash is kept, so that growing the table does not read the names, and the name, so that a
/// search waits for no memory but the table's and the name's.
#[derive(Debug)]
struct Entry<T> {
    hash: u32,
    name: RoomName,
    value: T,
}

impl<T> NameMap<T> {
    pub(crate) const fn new() -> Self {
        Self { entries: HashTable::new() }
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity()
    }

    /// Returns the value of a name, whose hash is `hash`.
    #[inline]
    pub(super) fn find(&self, name: &str, hash: u32) -> Option<&T> {
        let matches = |entry: &Entry<T>| entry.hash == hash && entry.name.as_str() == name;
        self.entries.find(widen(hash), matches).map(|entry| &entry.value)
    }

    pub(crate) fn get(&self, name: HashedName<'_>) -> Option<&T> {
        self.find(name.name.as_str(), name.hash)
    }

    pub(crate) fn get_mut(&mut self, name: HashedName<'_>) -> Option<&mut T> {
        let entry = self.entries.find_mut(widen(name.hash), |entry| entry.is(name));
        entry.map(|entry| &mut entry.value)
    }

    pub(crate) fn contains(&self, name: HashedName<'_>) -> bool {
        self.get(name).is_some()
    }

    /// Returns the value of a name. A name without a value gets the default one.
    pub(crate) fn get_or_default(&mut self, name: HashedName<'_>) -> &mut T
    where
        T: Default,
    {
        let entries = &mut self.entries;
        let hash = |entry: &Entry<T>| widen(entry.hash);
        let entry = entries.entry(widen(name.hash), |entry| entry.is(name), hash);
        &mut entry.or_insert_with(|| Entry::new(name, T::default())).into_mut().value
    }

    /// Adds the value of a name that has none.
    pub(crate) fn insert_unique(&mut self, name: HashedName<'_>, value: T) {
        let entry = Entry::new(name, value);
        self.entries.insert_unique(widen(name.hash), entry, |entry| widen(entry.hash));
    }

    pub(crate) fn remove(&mut self, name: HashedName<'_>) -> Option<T> {
        let entry = self.entries.find_entry(widen(name.hash), |entry| entry.is(name)).ok()?;
        let (Entry { value, .. }, _) = entry.remove();
        if is_wasteful(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(self.entries.len() * 2, |entry| widen(entry.hash));
        }
        Some(value)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&RoomName, &mut T)> {
        self.entries.iter_mut().map(|entry| (&entry.name, &mut entry.value))
    }
}

impl<T> Entry<T> {
    fn new(name: HashedName<'_>, value: T) -> Self {
        Self { hash: name.hash, name: name.name.clone(), value }
    }

    fn is(&self, name: HashedName<'_>) -> bool {
        self.hash == name.hash && self.name == *name.name
    }
}

/// Spreads a hash over the bits that the table uses: the lowest for the bucket, the highest for
/// telling the entries of a bucket apart.
fn widen(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
