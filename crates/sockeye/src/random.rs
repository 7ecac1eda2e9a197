//! Randomness from the operating system, for mask keys and handshake keys (RFC 6455 sections 4.1 and 5.3).

use std::cell::RefCell;

/// How much is asked for at a time, in bytes: one system call serves 256 frames.
const POOL_SIZE: usize = 1024;

struct Pool {
    bytes: [u8; POOL_SIZE],
    /// Where the unused bytes begin.
    next: usize,
}

thread_local! {
    static POOL: RefCell<Pool> = const {
        RefCell::new(Pool { bytes: [0; POOL_SIZE], next: POOL_SIZE })
    };
}

/// Bytes that nobody can predict.
///
/// # Panics
/// If the operating system has no randomness to give: to go on without would break the promise that masking makes to
/// everyone between client and server. On the systems that Rust's standard library runs on it happens, if ever, before
/// the first call succeeded.
pub(crate) fn bytes<const N: usize>() -> [u8; N] {
    POOL.with_borrow_mut(|pool| {
        if pool.next + N > POOL_SIZE {
            getrandom::fill(&mut pool.bytes).expect("the operating system gives randomness");
            pool.next = 0;
        }
        let mut bytes = [0; N];
        let used = &mut pool.bytes[pool.next..pool.next + N];
        bytes.copy_from_slice(used);
        // No key that was used stays in memory.
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
