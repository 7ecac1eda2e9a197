use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// A hash table from names to numbers, whose names are elsewhere.
#[derive(Debug)]
pub(super) struct Names {
    /// A power of two of slots, at least half of them empty: a number plus one, or 0.
    slots: Box<[u32]>,
}

impl Names {
    /// A table for the names that `each` gives by their numbers. Of equal names the first is kept.
    pub(super) fn new<'a>(names: impl Iterator<Item = (&'a str, u32)> + Clone) -> Self {
        let count = names.clone().count();
        let mut slots = vec![0_u32; (count * 2).next_power_of_two().max(2)].into_boxed_slice();
        let mask = slots.len() - 1;
        // Only to tell equal names from others with the same slot.
        let mut owners: Vec<&str> = vec![""; slots.len()];
        for (name, number) in names {
            let mut slot = hash(name.as_bytes()) & mask;
            while slots[slot] != 0 && owners[slot] != name {
                slot = (slot + 1) & mask;
            }
            if slots[slot] == 0 {
                (slots[slot], owners[slot]) = (number + 1, name);
            }
        }
        Self { slots }
    }

    /// Finds the number for which `is_name` is true.
    #[inline]
    pub(super) fn find(&self, name: &str, mut is_name: impl FnMut(u32) -> bool) -> Option<u32> {
        let mask = self.slots.len() - 1;
        let mut slot = hash(name.as_bytes()) & mask;
        loop {
            match self.slots[slot] {
                0 => return None,
                number if is_name(number - 1) => return Some(number - 1),
                _ => slot = (slot + 1) & mask,
            }
        }
    }
}

/// A random number of this process, so that nobody can prepare names with equal hashes.
static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));

/// Eight bytes a step, with a multiplication that spreads each over the upper half.
#[inline]
pub(super) fn hash(bytes: &[u8]) -> usize {
    /// The golden ratio in 64 bits: odd, and without a pattern.
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;

    let mut state = *SEED ^ bytes.len() as u64;
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = chunk.first_chunk().map_or(0, |word| u64::from_le_bytes(*word));
        state = (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    }
    let mut word = 0;
    for &byte in chunks.remainder() {
        word = word << 8 | u64::from(byte);
    }
    state = (state.rotate_left(23) ^ word).wrapping_mul(FACTOR);
    (state >> 32) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_found_and_no_other() {
        let names: Vec<String> = (0..1000).map(|number| format!("name_{number}")).collect();
        let table = Names::new(names.iter().map(String::as_str).zip(0..));
        for (number, name) in (0..).zip(&names) {
            let found = table.find(name, |candidate| names[candidate as usize] == *name);
            assert_eq!(found, Some(number));
        }
        assert_eq!(table.find("other", |candidate| names[candidate as usize] == "other"), None);
        assert_eq!(Names::new(std::iter::empty()).find("", |_| true), None);
    }

    #[test]
    fn of_equal_names_the_first_is_kept() {
        let names = ["a", "a"];
        let table = Names::new(names.into_iter().zip(0..));
        assert_eq!(table.find("a", |candidate| names[candidate as usize] == "a"), Some(0));
    }
}
