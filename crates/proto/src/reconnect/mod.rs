//! The reconnection policy of a client: when to connect again, without a clock or randomness.
//!
//! Programs use `sockeye::reconnect::Reconnecting`, natively or in the browser, which builds on
//! this:
//!
//! ```
//! use std::time::Duration;
//!
//! use sockeye_proto::reconnect::{Attempts, Backoff};
//!
//! // The caller provides the clock and the randomness. Times are since any fixed moment.
//! let (now, random) = (Duration::ZERO, u64::MAX);
//! let mut attempts = Attempts::new(Backoff::new().max_attempts(Some(2)));
//! attempts.begin(now);
//! // The first attempt failed.
//! let pause = attempts.next_attempt(now, Duration::ZERO, random).expect("there may be a second one");
//! assert!(pause < Duration::from_secs(1));
//! // The second attempt failed.
//! assert_eq!(attempts.next_attempt(now + pause, Duration::ZERO, random), None);
//! assert_eq!(attempts.count(), 2);
//! ```

mod attempts;
mod backoff;
mod retry_hint;

pub use attempts::Attempts;
pub use backoff::Backoff;
pub use retry_hint::{hint_reason, may_reopen, pause, retry_hint};
