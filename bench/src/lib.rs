//! The parts that the programs of the race share.
//!
//! * One program per rival in `src/bin` serves echo on one thread. [`serve`], [`accept`] and [`echo`]
//!   hold their common code, so that a difference in the results is due to the library.
//! * `driver` generates the load: [`cycle`] prepares every byte beforehand, [`load`] runs one of four
//!   traffic patterns, which send, check and time, and [`report`] is the result.
//! * `race` starts each rival in turn, runs the driver against it and compares: [`scenario`],
//!   [`rival`], [`mode`], [`sample`], [`rounds`], [`standing`]; [`table`] and [`plot`] present the
//!   comparison.
//!
//! Linux only: the driver waits on epoll and reads processor time from `/proc`.

pub mod accept;
pub mod certificate;
pub mod cycle;
pub mod echo;
pub mod files;
pub mod handshake;
pub mod http2;
pub mod load;
pub mod mode;
pub mod payload;
pub mod plot;
pub mod processor;
pub mod report;
pub mod rival;
pub mod rounds;
pub mod sample;
pub mod scenario;
pub mod serve;
pub mod standing;
pub mod table;

mod closed_loop;
mod connection;
mod connector;
mod deflate;
mod events;
mod exchange;
mod fan_out;
mod frame;
mod idle;
mod in_flight;
mod memory;
mod open_loop;
mod streams;
mod transport;
