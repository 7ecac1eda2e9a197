//! The soak: a server of each kind under thousands of connections of mixed behaviour, and a driver, in a process of its own, that
//! makes them and watches whether the server lets go of all that it took.

mod class;
pub mod drive;
mod ledger;
pub mod serve;

pub use class::Class;
pub use ledger::{Figures, Ledger};
