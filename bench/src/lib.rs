//! The race: what its programs share.
//!
//! * One program per rival (`src/bin/*_echo*.rs` and the rest beside it) serves echo on one thread; [`serve`], [`accept`] and
//!   [`echo`] hold what they have in common, so that a difference in the figures is the library's.
//! * `driver` is the load: [`cycle`] prepares every byte beforehand, [`load`] sends, checks and times.
//! * `race` starts each rival in turn, runs the driver against it and compares: [`scenario`],
//!   [`rival`], [`sample`] and [`table`].
//!
//! Linux only: the driver waits on epoll and reads processor time from `/proc`.

pub mod accept;
pub mod cycle;
pub mod echo;
pub mod handshake;
pub mod load;
pub mod mode;
pub mod processor;
pub mod rival;
pub mod sample;
pub mod scenario;
pub mod serve;
pub mod table;

mod connection;
