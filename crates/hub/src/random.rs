//! Randomness from the operating system, for identities and tags.

/// Returns 64 random bits.
///
/// # Panics
/// If the operating system provides no randomness, which can happen only before the first
/// successful call, if ever.
pub(crate) fn bits() -> u64 {
    getrandom::u64().expect("the operating system gives randomness")
}
