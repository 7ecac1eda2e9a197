//! The soak: a server of each kind under thousands of connections of mixed behaviour, and a driver,
//! in a separate process, that makes the connections and checks that the server releases all
//! resources.

mod class;
mod counters;
pub mod drive;
pub mod serve;

pub use class::Class;
pub use counters::{ServerCounters, Stats};
