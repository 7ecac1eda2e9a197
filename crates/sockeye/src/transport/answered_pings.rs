use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// The length of a ping's number at the start of its payload, in bytes; zeros follow.
const NUMBER_LENGTH: usize = size_of::<u64>();

/// Minimum length of a numbered ping's payload, in bytes, so that no ping of the keepalive or of a
/// program is mistaken for one.
pub(crate) const MIN_NUMBERED: usize = 32;

/// The number of the last answered ping among those that the transport itself writes. The driver,
/// which parses the frames, passes the pongs.
#[derive(Clone, Debug, Default)]
pub(crate) struct AnsweredPings(Arc<AtomicU64>);

impl AnsweredPings {
    /// Handles a pong of the peer, which may answer any ping.
    pub(crate) fn handle_pong(&self, payload: &[u8]) {
        let Some((number, zeros)) = payload.split_first_chunk::<NUMBER_LENGTH>() else { return };
        if payload.len() >= MIN_NUMBERED && zeros.iter().all(|&byte| byte == 0) {
            self.0.fetch_max(u64::from_be_bytes(*number), Ordering::Relaxed);
        }
    }

    /// Returns the number of the last answered ping; 0 before the first.
    #[cfg(any(feature = "http2", feature = "hyper"))]
    pub(crate) fn last(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    /// Returns the payload of a ping with the given number, which is at least 1.
    #[cfg(any(feature = "http2", feature = "hyper"))]
    pub(crate) fn payload(number: u64, length: usize) -> Vec<u8> {
        let mut payload = vec![0; length.max(MIN_NUMBERED)];
        payload[..NUMBER_LENGTH].copy_from_slice(&number.to_be_bytes());
        payload
    }
}
