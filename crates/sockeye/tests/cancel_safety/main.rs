//! Every public future may be dropped at every await point: it is polled once, twice, three times and so on, over a transport
//! that gives and takes little at a time, dropped, and called again. What comes of it must be what comes of it undisturbed.

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
