//! Contexts that no message is using, kept per thread: making one costs more than compressing a short message.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress};

/// Several, because fragmented messages of several connections may be on their way at once, and because connections
/// may differ in level and window. Each takes up to 371 KiB.
const MAX_COMPRESSORS: usize = 4;

/// As many as keep the same order of memory: each takes 46 KiB.
const MAX_DECOMPRESSORS: usize = 8;

/// What makes one compressor fit for the work of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    pub(super) level: u8,
    /// From 9 to 15.
    pub(super) window_bits: u8,
}

struct Pool {
    compressors: Vec<(Key, Compress)>,
    decompressors: Vec<Decompress>,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { compressors: Vec::new(), decompressors: Vec::new() })
    };
}

/// A compressor at the start of a stream.
pub(super) fn take_compressor(key: Key) -> Compress {
    with(|pool| {
        let index = pool.compressors.iter().position(|(kept, _)| *kept == key)?;
        Some(pool.compressors.swap_remove(index).1)
    })
    .unwrap_or_else(|| {
        Compress::new_with_window_bits(Compression::new(key.level.into()), false, key.window_bits)
    })
}

/// Takes a compressor back, in whatever state.
pub(super) fn give_compressor(key: Key, mut compressor: Compress) {
    with(|pool| {
        compressor.reset();
        if pool.compressors.len() == MAX_COMPRESSORS {
            // The oldest may be of a kind that nobody asks for any more.
            pool.compressors.remove(0);
        }
        pool.compressors.push((key, compressor));
        Some(())
    });
}

/// A decompressor at the start of a stream. Its window is the largest, as a smaller one would take the same memory.
pub(super) fn take_decompressor() -> Decompress {
    with(|pool| pool.decompressors.pop()).unwrap_or_else(|| Decompress::new(false))
}

/// Takes a decompressor back, in whatever state.
pub(super) fn give_decompressor(mut decompressor: Decompress) {
    with(|pool| {
        if pool.decompressors.len() < MAX_DECOMPRESSORS {
            decompressor.reset(false);
            pool.decompressors.push(decompressor);
        }
        Some(())
    });
}

/// `None` also when the thread is ending and its pool is gone.
fn with<T>(work: impl FnOnce(&mut Pool) -> Option<T>) -> Option<T> {
    POOL.try_with(|pool| work(&mut pool.borrow_mut())).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kept() -> (usize, usize) {
        with(|pool| Some((pool.compressors.len(), pool.decompressors.len()))).unwrap()
    }

    #[test]
    fn the_pool_is_bounded() {
        for window_bits in (9..=15).cycle().take(30) {
            let key = Key { level: 1, window_bits };
            give_compressor(key, Compress::new(Compression::fast(), false));
            give_decompressor(Decompress::new(false));
        }
        assert_eq!(kept(), (MAX_COMPRESSORS, MAX_DECOMPRESSORS));
    }

    #[test]
    fn a_compressor_serves_only_its_own_kind() {
        let key = Key { level: 1, window_bits: 15 };
        give_compressor(key, Compress::new(Compression::fast(), false));
        take_compressor(Key { level: 2, window_bits: 15 });
        take_compressor(Key { level: 1, window_bits: 14 });
        assert_eq!(kept(), (1, 0));
        take_compressor(key);
        assert_eq!(kept(), (0, 0));
    }
}
