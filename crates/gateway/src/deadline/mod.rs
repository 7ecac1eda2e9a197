//! Timeouts of calls in the header forms of the dialects.
//!
//! ```
//! use std::time::{Duration, Instant};
//! use sockeye_gateway::deadline::{Deadline, TimeoutForm, TimeoutLimits};
//!
//! let requested = TimeoutForm::Grpc.parse("1500m")?;
//! let limits = TimeoutLimits { default: None, max: Some(Duration::from_secs(1)) };
//! let now = Instant::now();
//! let deadline = Deadline::new(now, limits.clamp(Some(requested)));
//! assert_eq!(deadline.grpc_timeout(now + Duration::from_millis(400)).unwrap(), "600000u");
//! # Ok::<_, sockeye_gateway::deadline::TimeoutError>(())
//! ```

mod error;
mod form;
mod limits;
mod parse;

pub use self::error::{TimeoutError, TimeoutFault};
pub use self::form::TimeoutForm;
pub use self::limits::{Deadline, TimeoutLimits};
