//! The race: what its programs share.
//!
//! * One program per rival in `src/bin` serves echo on one thread; [`serve`], [`accept`] and [`echo`] hold
//!   what they have in common, so that a difference in the figures is the library's.
//! * `driver` is the load: [`cycle`] prepares every byte beforehand, [`load`] runs one of four patterns of
//!   traffic, which send, check and time, and [`report`] is what it tells.
//! * `race` starts each rival in turn, runs the driver against it and compares: [`scenario`], [`rival`],
//!   [`mode`], [`sample`], [`rounds`], [`standing`], and to look at [`table`] and [`plot`].
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
