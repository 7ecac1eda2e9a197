//! Randomness from the operating system, for mask keys and handshake keys (RFC 6455 sections 4.1
//! and 5.3).

use std::cell::RefCell;

/// Number of bytes requested at a time: one system call serves 256 frames.
const POOL_SIZE: usize = 1024;

struct Pool {
    bytes: [u8; POOL_SIZE],
    /// The index of the first unused byte.
    next: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { bytes: [0; POOL_SIZE], next: POOL_SIZE })
    };
}

/// Returns unpredictable bytes.
///
/// # Panics
/// Panics if the operating system provides no randomness: continuing without it would break the
/// promise of masking to all intermediaries between client and server. On the systems that Rust's
/// standard library supports, this can happen only before the first successful call, if ever.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    POOL.with_borrow_mut(|pool| {
        if pool.next + N > POOL_SIZE {
            getrandom::fill(&mut pool.bytes).expect("the operating system gives randomness");
            pool.next = 0;
        }
        let mut bytes = [0; N];
        let used = &mut pool.bytes[pool.next..pool.next + N];
        bytes.copy_from_slice(used);
        // Used keys must not stay in memory.
        used.fill(0);
        pool.next += N;
        bytes
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn keys_do_not_repeat_across_refills() {
        let keys: HashSet<[u8; 16]> = (0..1000).map(|_| bytes()).collect();
        assert_eq!(keys.len(), 1000);
    }
}
