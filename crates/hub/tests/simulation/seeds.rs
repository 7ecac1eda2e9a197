//! The seeds of the simulations, and the random numbers that a seed gives.

use std::ops::Range;

/// The generator `SplitMix64`: a seed gives the same run everywhere.
#[derive(Debug)]
pub(crate) struct SplitMix64(u64);

impl SplitMix64 {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

/// Returns the seed that `HUB_SIMULATION_SEED` selects, if it is set.
pub(crate) fn single_seed() -> Option<u64> {
    number("HUB_SIMULATION_SEED")
}

/// Returns the seeds to run: the selected one, or `HUB_SIMULATION_SEEDS` many; if neither is set,
/// `default` many.
pub(crate) fn seeds(default: u64) -> Range<u64> {
    let all = 0..number("HUB_SIMULATION_SEEDS").unwrap_or(default);
    single_seed().map_or(all, |seed| seed..seed + 1)
}

fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok().map(|value| value.parse().expect(variable))
}
