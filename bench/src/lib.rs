//! The parts that the programs of the race share.
//!
//! * One program per rival in `src/bin` serves echo on one thread. [`serve`], [`accept`] and
//!   [`echo`] hold their common code, so that a difference in the results is due to the library.
//! * `driver` runs one load of the crate `sockeye-load` and prints the [`report`].
//! * `race` starts each rival in turn, runs the driver against it and compares: [`scenario`],
//!   [`rival`], [`mode`], [`sample`], [`rounds`], [`summary`]; [`table`] and [`plot`] present the
//!   comparison.
//!
//! Linux only: samples need the processor time in `/proc`.

pub mod accept;
pub mod certificate;
pub mod echo;
pub mod files;
pub mod http2;
pub mod mode;
pub mod plot;
pub mod report;
pub mod rival;
pub mod rounds;
pub mod sample;
pub mod scenario;
pub mod serve;
pub mod summary;
pub mod table;
