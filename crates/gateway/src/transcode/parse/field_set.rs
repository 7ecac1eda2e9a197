/// The fields and oneofs of a message that have a value: a bit for each. Most messages need one
/// word.
#[derive(Debug)]
pub(super) struct FieldSet {
    first: u64,
    others: Vec<u64>,
}

impl FieldSet {
    /// Creates an empty set with room for this many bits.
    pub(super) fn new(bits: usize) -> Self {
        Self { first: 0, others: vec![0; bits.saturating_sub(1) / 64] }
    }

    /// Sets a bit, and returns true if it was set before.
    #[inline]
    pub(super) fn insert(&mut self, bit: usize) -> bool {
        let word = match bit / 64 {
            0 => &mut self.first,
            at => &mut self.others[at - 1],
        };
        let mask = 1 << (bit % 64);
        let was_set = *word & mask != 0;
        *word |= mask;
        was_set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bit_is_set_once() {
        for bits in [0, 1, 63, 64, 65, 128, 129, 500] {
            let mut set = FieldSet::new(bits);
            assert!((0..bits).all(|bit| !set.insert(bit)));
            assert!((0..bits).all(|bit| set.insert(bit)));
        }
    }
}
