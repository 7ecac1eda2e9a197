/// The number of shards into which each node divides its members, by room.
pub const SHARDS: usize = 64;

/// A set of shards: bit n is shard n.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSet(pub u64);

impl ShardSet {
    /// All shards.
    pub const ALL: Self = Self(u64::MAX);

    /// Returns whether the set has no shard.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Returns whether the set contains a shard. No set contains a shard beyond [`SHARDS`].
    pub const fn contains(self, shard: usize) -> bool {
        shard < SHARDS && self.0 >> shard & 1 == 1
    }

    pub(super) const fn insert(&mut self, shard: usize) {
        self.0 |= 1 << shard;
    }

    pub(super) const fn remove(&mut self, shard: usize) {
        self.0 &= !(1 << shard);
    }

    /// Removes and returns the lowest shard.
    pub(super) const fn pop(&mut self) -> Option<usize> {
        if self.is_empty() {
            return None;
        }
        let shard = self.0.trailing_zeros() as usize;
        self.remove(shard);
        Some(shard)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_yields_its_shards_from_the_lowest() {
        let mut set = ShardSet::default();
        for shard in [63, 0, 5] {
            set.insert(shard);
        }
        assert!(set.contains(63) && !set.contains(64) && !set.contains(1));
        assert_eq!(
            [set.pop(), set.pop(), set.pop(), set.pop()],
            [Some(0), Some(5), Some(63), None]
        );
    }
}
