//! Every public future may be dropped at every await point: the tests poll it once, twice, three
//! times and so on, over a transport that moves few bytes at a time, drop it, and call again. The
//! result must equal that of an undisturbed run.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod harness;
mod wire;

mod closing;
mod frames;
mod halves;
mod opening;
#[cfg(all(feature = "http2", feature = "hyper"))]
mod over_http;
mod receiving;
mod reconnecting;
mod sending;
mod servers;
