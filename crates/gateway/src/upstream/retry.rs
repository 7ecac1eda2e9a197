//! Which calls are sent again, and how often.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use sockeye_grpc::Backoff;
use tonic::{Code, Status};

/// Maximum number of attempts of a call, including the first.
const MAX_ATTEMPTS: usize = 3;

/// The delay before a call whose first attempt reached the server is sent again. Taken from the
/// retry policies that gRPC's documentation shows, shortened: a gateway is close to its upstream.
const DELAY: Backoff =
    Backoff::new().base(Duration::from_millis(50)).cap(Duration::from_millis(500));

/// Header by which a server asks for a delay, or for no retry, in milliseconds. Specified by gRPC's
/// proposal A6.
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Maximum delay that a server can ask for; a call that would wait longer is not sent again. Chosen:
/// a call that waits holds its place among those of the gateway.
const MAX_PUSHBACK: Duration = Duration::from_secs(30);

/// Cost of a retry in the unit of the budget: a call pays in one for each percent.
const COST: i64 = 100;

/// Maximum balance of the budget: ten retries, so that a burst after a restart passes.
const MAX_BALANCE: i64 = 10 * COST;

/// The number of retries that an upstream's calls have earned: a token bucket that each call fills
/// and each retry drains.
///
/// Without it, an upstream that is overloaded would receive a multiple of the calls that overload
/// it.
#[derive(Debug)]
pub(super) struct RetryBudget {
    percent: i64,
    balance: AtomicI64,
}

impl RetryBudget {
    pub(super) fn new(percent: u32) -> Self {
        let balance = if percent == 0 { 0 } else { MAX_BALANCE };
        Self { percent: i64::from(percent), balance: AtomicI64::new(balance) }
    }

    /// Returns whether there can be retries at all.
    pub(super) const fn is_enabled(&self) -> bool {
        self.percent > 0
    }

    /// Counts a call.
    pub(super) fn on_call(&self) {
        // Two threads may pass the maximum by one call each, which does not matter.
        if self.balance.load(Ordering::Relaxed) < MAX_BALANCE {
            self.balance.fetch_add(self.percent, Ordering::Relaxed);
        }
    }

    /// Takes a retry from the budget, and returns whether there was one.
    pub(super) fn withdraw(&self) -> bool {
        let withdrawn =
            self.balance.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |balance| {
                (balance >= COST).then(|| balance - COST)
            });
        withdrawn.is_ok()
    }
}

/// Returns the delay before a call is sent again, which ended with this status and without a byte
/// of a response; `None` if it must not be sent again.
///
/// `attempts` counts the attempts so far, and `random` is 64 random bits.
pub(super) fn delay(
    status: &Status,
    is_idempotent: bool,
    attempts: usize,
    random: u64,
) -> Option<Duration> {
    if attempts >= MAX_ATTEMPTS {
        return None;
    }
    if sockeye_grpc::is_unprocessed(status) {
        return Some(Duration::ZERO);
    }
    if !is_idempotent || status.code() != Code::Unavailable {
        return None;
    }
    match status.metadata().get(PUSHBACK) {
        Some(value) => {
            // Anything but a number of milliseconds asks for no retry.
            let millis = value.to_str().ok()?.parse::<u32>().ok()?;
            let pushback = Duration::from_millis(millis.into());
            (pushback <= MAX_PUSHBACK).then_some(pushback)
        }
        // MAX_ATTEMPTS fits.
        None => Some(DELAY.delay(u32::try_from(attempts).unwrap_or(u32::MAX) - 1, random)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]

    use super::*;

    #[test]
    fn ten_calls_earn_one_retry_after_a_burst_of_ten() {
        let budget = RetryBudget::new(10);
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
        for _ in 0..9 {
            budget.on_call();
        }
        assert!(!budget.withdraw());
        budget.on_call();
        assert!(budget.withdraw());
        assert!(!budget.withdraw());
    }

    #[test]
    fn the_budget_is_bounded() {
        let budget = RetryBudget::new(10);
        for _ in 0..10_000 {
            budget.on_call();
        }
        assert_eq!((0..20).filter(|_| budget.withdraw()).count(), 10);
        let disabled = RetryBudget::new(0);
        disabled.on_call();
        assert!(!disabled.is_enabled() && !disabled.withdraw());
    }

    #[test]
    fn only_idempotent_methods_are_retried_after_unavailable() {
        let unavailable = Status::unavailable("restarting");
        assert_eq!(delay(&unavailable, false, 1, 0), None);
        assert_eq!(delay(&unavailable, true, 1, 1 << 63), Some(Duration::from_millis(25)));
        assert_eq!(delay(&unavailable, true, 2, 1 << 63), Some(Duration::from_millis(50)));
        assert_eq!(delay(&unavailable, true, 3, 0), None);
        assert_eq!(delay(&Status::internal("broken"), true, 1, 0), None);
    }

    #[test]
    fn a_servers_pushback_is_obeyed() {
        let pushed = |value: &str| {
            let mut status = Status::unavailable("busy");
            status.metadata_mut().insert(PUSHBACK, value.parse().unwrap());
            delay(&status, true, 1, 0)
        };
        assert_eq!(pushed("70"), Some(Duration::from_millis(70)));
        assert_eq!(pushed("-1"), None);
        assert_eq!(pushed("4294967295"), None);
        assert_eq!(pushed("soon"), None);
    }
}
