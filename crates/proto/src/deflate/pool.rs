//! A pool of idle contexts per thread: creating a context costs more than compressing a short
//! message.

use std::cell::RefCell;

use flate2::{Compress, Compression, Decompress};

/// Maximum number of idle compressors. Several, because fragmented messages of several connections
/// may be in progress at once, and because connections may differ in level and window. Each takes
/// up to 371 KiB.
const MAX_COMPRESSORS: usize = 4;

/// Maximum number of idle decompressors, for memory of the same order: each takes 46 KiB.
const MAX_DECOMPRESSORS: usize = 8;

/// The settings by which compressors are interchangeable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CompressorKey {
    pub(super) level: u8,
    /// From 9 to 15.
    pub(super) window_bits: u8,
}

struct Pool {
    compressors: Vec<(CompressorKey, Compress)>,
    decompressors: Vec<Decompress>,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { compressors: Vec::new(), decompressors: Vec::new() })
    };
}

/// Takes a compressor from the pool or creates one, at the start of a stream.
pub(super) fn take_compressor(key: CompressorKey) -> Compress {
    with(|pool| {
        let index = pool.compressors.iter().position(|(kept, _)| *kept == key)?;
        Some(pool.compressors.swap_remove(index).1)
    })
    .unwrap_or_else(|| {
        Compress::new_with_window_bits(Compression::new(key.level.into()), false, key.window_bits)
    })
}

/// Returns a compressor in any state to the pool.
pub(super) fn give_compressor(key: CompressorKey, mut compressor: Compress) {
    with(|pool| {
        compressor.reset();
        if pool.compressors.len() == MAX_COMPRESSORS {
            // The oldest may have settings that no connection uses any more.
            pool.compressors.remove(0);
        }
        pool.compressors.push((key, compressor));
        Some(())
    });
}

/// Takes a decompressor from the pool or creates one, at the start of a stream. Its window is the
/// largest, because a smaller one would take the same memory.
pub(super) fn take_decompressor() -> Decompress {
    with(|pool| pool.decompressors.pop()).unwrap_or_else(|| Decompress::new(false))
}

/// Returns a decompressor in any state to the pool.
pub(super) fn give_decompressor(mut decompressor: Decompress) {
    with(|pool| {
        if pool.decompressors.len() < MAX_DECOMPRESSORS {
            decompressor.reset(false);
            pool.decompressors.push(decompressor);
        }
        Some(())
    });
}

/// Calls `work` with the thread's pool. Returns `None` also when the thread is ending and its pool
/// is gone.
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
            let key = CompressorKey { level: 1, window_bits };
            give_compressor(key, Compress::new(Compression::fast(), false));
            give_decompressor(Decompress::new(false));
        }
        assert_eq!(kept(), (MAX_COMPRESSORS, MAX_DECOMPRESSORS));
    }

    #[test]
    fn a_compressor_serves_only_its_own_kind() {
        let key = CompressorKey { level: 1, window_bits: 15 };
        give_compressor(key, Compress::new(Compression::fast(), false));
        take_compressor(CompressorKey { level: 2, window_bits: 15 });
        take_compressor(CompressorKey { level: 1, window_bits: 14 });
        assert_eq!(kept(), (1, 0));
        take_compressor(key);
        assert_eq!(kept(), (0, 0));
    }
}
