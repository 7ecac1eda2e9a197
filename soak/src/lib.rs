//! The soak: a server of each kind under thousands of connections of mixed behaviour, and a driver,
//! in a separate process, that makes the connections and checks that the server releases all
//! resources.

mod class;
pub mod drive;
mod ledger;
pub mod serve;

pub use class::Class;
pub use ledger::{Figures, Ledger};
