//! When to connect again: what a client that makes lost connections again decides, without a clock or randomness.
//!
//! Programs use `sockeye::reconnect::Reconnecting`, natively or in the browser, which is driven by this:
//!
//! ```
//! use std::time::Duration;
//!
//! use sockeye_proto::reconnect::{Attempts, Backoff};
//!
//! // Times are since any moment that stays the same, as the clock here is the caller's; so is the randomness.
//! let (now, random) = (Duration::ZERO, u64::MAX);
//! let mut attempts = Attempts::new(Backoff::new().max_attempts(Some(2)));
//! attempts.begin(now);
//! // It failed.
//! let pause = attempts.again(now, Duration::ZERO, random).expect("there may be a second one");
//! assert!(pause < Duration::from_secs(1));
//! // So did that one.
//! assert_eq!(attempts.again(now + pause, Duration::ZERO, random), None);
//! assert_eq!(attempts.count(), 2);
//! ```

mod attempts;
mod backoff;
mod retry_hint;

pub use attempts::Attempts;
pub use backoff::Backoff;
pub use retry_hint::{hint_reason, may_reopen, pause, retry_hint};
