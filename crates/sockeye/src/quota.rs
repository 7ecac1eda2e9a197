//! The limit of connections per address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderValue, StatusCode};
use sockeye_proto::handshake::Refusal;

/// Maximum number of clients that are sent a refusal at the same time. Further clients are dropped
/// without a response: the response is for malfunctioning programs, and must not cost more than the
/// connections that it prevents.
const MAX_REFUSALS: usize = 64;

/// Timeout of reading a request beyond the limit and sending the refusal.
pub(crate) const REFUSAL_TIMEOUT: Duration = Duration::from_secs(2);

/// The unit of addresses to count: an IPv4 address, or the upper half of an IPv6 address, since a
/// subscriber has 2^64 addresses of the same upper half (RFC 4291 section 2.5.4; RFC 6177 has
/// providers give each at least that much).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Block {
    V4([u8; 4]),
    V6([u16; 4]),
}

impl Block {
    fn of(address: IpAddr) -> Self {
        // On a dual-stack socket, all IPv4 clients have IPv6 addresses of one common block.
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.octets()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

/// The number of a server's connections by address.
#[derive(Debug)]
pub(crate) struct Quota {
    limit: usize,
    /// The count of each block; never more entries than connections.
    taken: Mutex<HashMap<Block, usize>>,
    refusals: AtomicUsize,
}

/// The decision on a client.
#[derive(Debug)]
pub(crate) enum Entry {
    /// The client has a place, until the place is dropped.
    Free(QuotaPermit),
    /// The client exceeds the limit and is sent a refusal; the refusal counts until this is
    /// dropped.
    Full(RefusalPermit),
    /// The client exceeds the limit, and too many are being refused: the connection is dropped.
    Dropped,
}

/// A place in the quota of an address.
#[derive(Debug)]
pub(crate) struct QuotaPermit {
    quota: Arc<Quota>,
    block: Block,
}

/// A client that is being sent a refusal.
#[derive(Debug)]
pub(crate) struct RefusalPermit {
    quota: Arc<Quota>,
}

impl Quota {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        let limit = limit.max(1);
        Arc::new(Self { limit, taken: Mutex::default(), refusals: AtomicUsize::new(0) })
    }

    /// Counts a new client and decides whether to accept it.
    pub(crate) fn enter(self: &Arc<Self>, address: IpAddr) -> Entry {
        let block = Block::of(address);
        let mut taken = self.lock();
        let count = taken.entry(block).or_default();
        if *count < self.limit {
            *count += 1;
            return Entry::Free(QuotaPermit { quota: self.clone(), block });
        }
        drop(taken);
        let refusing = RefusalPermit { quota: self.clone() };
        if self.refusals.fetch_add(1, Ordering::Relaxed) < MAX_REFUSALS {
            Entry::Full(refusing)
        } else {
            Entry::Dropped
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Block, usize>> {
        // No code panics while holding the lock.
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for QuotaPermit {
    fn drop(&mut self) {
        let mut taken = self.quota.lock();
        if let Some(count) = taken.get_mut(&self.block) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.block);
            }
        }
    }
}

impl Drop for RefusalPermit {
    fn drop(&mut self) {
        self.quota.refusals.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Returns the refusal for a client that exceeds the limit.
pub(crate) fn refusal() -> Refusal {
    //= https://www.rfc-editor.org/rfc/rfc6585#section-4
    //# The 429 status code indicates that the user has sent too many requests
    //# in a given amount of time
    Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too many connections from this address\n")
        .header(RETRY_AFTER, HeaderValue::from_static("5"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_free(entry: &Entry) -> bool {
        matches!(entry, Entry::Free(_))
    }

    #[test]
    fn places_are_counted_by_address_and_given_back() {
        let quota = Quota::new(2);
        let enter = |address: &str| quota.enter(address.parse().unwrap());
        let first = enter("192.0.2.1");
        let second = enter("::ffff:192.0.2.1");
        assert!(is_free(&first) && is_free(&second));
        assert!(matches!(enter("192.0.2.1"), Entry::Full(_)));
        assert!(is_free(&enter("192.0.2.2")));
        drop(first);
        let third = enter("192.0.2.1");
        assert!(is_free(&third));
        assert!(!is_free(&enter("192.0.2.1")));
        drop((second, third));
        assert!(quota.lock().is_empty(), "an address without connections is forgotten");
    }

    #[test]
    fn ipv6_counts_by_its_upper_half() {
        let quota = Quota::new(1);
        let enter = |address: &str| quota.enter(address.parse().unwrap());
        let _first = enter("2001:db8:0:1::1");
        assert!(!is_free(&enter("2001:db8:0:1:ffff:ffff:ffff:ffff")));
        assert!(is_free(&enter("2001:db8:0:2::1")));
    }

    #[test]
    fn a_flood_is_dropped_without_a_word() {
        let quota = Quota::new(1);
        let enter = || quota.enter("192.0.2.1".parse().unwrap());
        let _first = enter();
        let mut refused: Vec<_> = (0..MAX_REFUSALS).map(|_| enter()).collect();
        assert!(refused.iter().all(|entry| matches!(entry, Entry::Full(_))));
        assert!(matches!(enter(), Entry::Dropped));
        refused.pop();
        assert!(matches!(enter(), Entry::Full(_)));
    }
}
