//! The limit of calls per peer.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Maximum number of peers whose calls are counted apart. Chosen: about 3 MiB of memory. Peers
/// beyond it share one count.
const MAX_PEERS: usize = 65_536;

/// Minimum time between two searches for peers that can be forgotten, so that a flood from many
/// addresses does not make each call search.
const PURGE_INTERVAL: Duration = Duration::from_secs(1);

/// A limit of calls per peer, in every dialect. A call beyond it fails as `resource_exhausted`, in
/// HTTP with the status 429, and tells in `Retry-After` and in a `google.rpc.RetryInfo` when
/// another one may be made.
///
/// A peer is an IPv4 address, or the upper half of an IPv6 address, of which one subscriber has all
/// lower halves. Requests without the extension [`PeerAddr`](sockeye::upgrade::PeerAddr) are not
/// limited. Behind [trusted proxies](crate::Builder::trusted_proxies) whose header is read, the
/// peer is the client that the proxy names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateLimit {
    per_second: u32,
    burst: u32,
}

impl RateLimit {
    /// Allows `calls_per_second` calls of each peer in the long run, and `burst` calls at once
    /// after a pause. Zeros count as one.
    pub const fn per_peer(calls_per_second: u32, burst: u32) -> Self {
        let per_second = if calls_per_second == 0 { 1 } else { calls_per_second };
        let burst = if burst == 0 { 1 } else { burst };
        Self { per_second, burst }
    }
}

/// The calls of all peers, by the generic cell rate algorithm (ITU-T I.371): one time for each
/// peer.
#[derive(Debug)]
pub(crate) struct RateLimiter {
    /// The time that a call uses up.
    interval: Duration,
    /// The time by which a peer may be ahead: that of all calls of a burst but one.
    tolerance: Duration,
    peers: Mutex<Peers>,
}

#[derive(Debug)]
struct Peers {
    /// The time at which the calls so far are used up. A peer whose time has passed is as one that
    /// is not here.
    used_until: HashMap<IpAddr, Instant>,
    /// The same for all peers beyond the maximum.
    others: Option<Instant>,
    purged: Option<Instant>,
    max: usize,
}

impl RateLimiter {
    pub(crate) fn new(limit: RateLimit) -> Self {
        Self::with_max_peers(limit, MAX_PEERS)
    }

    fn with_max_peers(limit: RateLimit, max: usize) -> Self {
        let interval = Duration::from_secs(1) / limit.per_second;
        let peers = Peers { used_until: HashMap::new(), others: None, purged: None, max };
        Self { interval, tolerance: interval * (limit.burst - 1), peers: Mutex::new(peers) }
    }

    /// Counts a call.
    ///
    /// # Errors
    /// The time until the next call, if this one is beyond the limit.
    pub(crate) fn charge(&self, peer: IpAddr, now: Instant) -> Result<(), Duration> {
        let block = block(peer);
        let mut peers = self.lock();
        let used_until = peers.used_until(block, now);
        let until = used_until.map_or(now, |until| until.max(now));
        let ahead = until.saturating_duration_since(now);
        if ahead > self.tolerance {
            return Err(ahead.saturating_sub(self.tolerance));
        }
        peers.set(block, until + self.interval);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Peers> {
        // No code panics while holding the lock.
        self.peers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Peers {
    /// Returns the time of a peer, and makes space for one that is new.
    fn used_until(&mut self, block: IpAddr, now: Instant) -> Option<Instant> {
        if let Some(until) = self.used_until.get(&block) {
            return Some(*until);
        }
        let may_purge = self.purged.is_none_or(|purged| now >= purged + PURGE_INTERVAL);
        if self.used_until.len() >= self.max && may_purge {
            self.used_until.retain(|_, until| *until > now);
            self.purged = Some(now);
        }
        if self.used_until.len() < self.max { None } else { self.others }
    }

    fn set(&mut self, block: IpAddr, until: Instant) {
        if self.used_until.len() < self.max || self.used_until.contains_key(&block) {
            self.used_until.insert(block, until);
        } else {
            self.others = Some(until);
        }
    }
}

/// Returns the first address of those that count as one peer. On a dual-stack socket, IPv4 clients
/// have IPv6 addresses of one block.
fn block(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => Ipv4Addr::from(address.octets()).into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    fn peer(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_burst_is_followed_by_the_rate() {
        let limiter = RateLimiter::new(RateLimit::per_peer(10, 3));
        let (begin, client) = (Instant::now(), peer("192.0.2.1"));
        for _ in 0..3 {
            assert_eq!(limiter.charge(client, begin), Ok(()));
        }
        assert_eq!(limiter.charge(client, begin), Err(Duration::from_millis(100)));
        // A refused call uses nothing up.
        assert_eq!(limiter.charge(client, begin), Err(Duration::from_millis(100)));
        assert_eq!(limiter.charge(peer("192.0.2.2"), begin), Ok(()));
        let next = begin + Duration::from_millis(100);
        assert_eq!(limiter.charge(client, next), Ok(()));
        assert_eq!(limiter.charge(client, next), Err(Duration::from_millis(100)));
        let rested = begin + Duration::from_secs(1);
        for _ in 0..3 {
            assert_eq!(limiter.charge(client, rested), Ok(()));
        }
        assert!(limiter.charge(client, rested).is_err());
    }

    #[test]
    fn the_lower_half_of_an_ipv6_address_makes_no_new_peer() {
        let limiter = RateLimiter::new(RateLimit::per_peer(1, 1));
        let now = Instant::now();
        assert!(limiter.charge(peer("2001:db8::1"), now).is_ok());
        assert!(limiter.charge(peer("2001:db8::ffff:1"), now).is_err());
        assert!(limiter.charge(peer("2001:db8:0:1::1"), now).is_ok());
        assert!(limiter.charge(peer("192.0.2.1"), now).is_ok());
        assert!(limiter.charge(peer("::ffff:192.0.2.1"), now).is_err());
    }

    #[test]
    fn the_table_is_bounded_and_peers_at_rest_are_forgotten() {
        let limiter = RateLimiter::with_max_peers(RateLimit::per_peer(1, 1), 2);
        let begin = Instant::now();
        for last in 1..=3 {
            assert!(limiter.charge(peer(&format!("192.0.2.{last}")), begin).is_ok());
        }
        assert_eq!(limiter.lock().used_until.len(), 2);
        // The third peer and all further ones share a count.
        assert!(limiter.charge(peer("192.0.2.4"), begin).is_err());
        assert!(limiter.charge(peer("192.0.2.1"), begin).is_err());
        let later = begin + Duration::from_secs(2);
        assert!(limiter.charge(peer("192.0.2.5"), later).is_ok());
        assert_eq!(limiter.lock().used_until.len(), 1);
    }

    #[test]
    fn zeros_count_as_one() {
        assert_eq!(RateLimit::per_peer(0, 0), RateLimit::per_peer(1, 1));
    }
}
