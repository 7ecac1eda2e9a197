//! A client that reconnects when its connection is lost, without clock, randomness and sockets.
//!
//! Programs use `sockeye::reconnect::Reconnecting`, natively or in the browser, which drives the
//! [`StateMachine`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use sockeye_proto::reconnect::{Action, Backoff, Event, StateMachine, StopReason};
//!
//! // The driver provides the clock and the randomness. Times are since any fixed moment.
//! let (mut now, random) = (Duration::ZERO, u64::MAX);
//! let backoff = Backoff::new().max_attempts(Some(2));
//! let mut client = StateMachine::<&str, &str>::new(backoff);
//! let Action::Wait { attempt: 1, delay: Duration::ZERO } = client.start(now) else { panic!() };
//! assert_eq!(client.on_delay_passed(), Action::Connect(1));
//! // The first attempt failed; the server requests no delay.
//! let action = client.on_failed("no answer", Some(Duration::ZERO), now, random);
//! let Action::Wait { attempt: 2, delay } = action else { panic!() };
//! assert!(delay < Duration::from_secs(1));
//! // The delay passes, and the second attempt fails as well.
//! now += delay;
//! assert_eq!(client.on_delay_passed(), Action::Connect(2));
//! let action = client.on_failed("refused", Some(Duration::ZERO), now, random);
//! let gave_up = StopReason::GaveUp { attempts: 2, last: Event::Failed("refused") };
//! assert_eq!(action, Action::Stop(gave_up));
//! ```

mod attempts;
mod backoff;
mod event;
mod retry_hint;
mod state_machine;

pub use backoff::Backoff;
pub use event::Event;
pub use retry_hint::{hint_reason, may_reopen, requested_delay, retry_hint};
pub use state_machine::{Action, StateMachine, StopReason};
