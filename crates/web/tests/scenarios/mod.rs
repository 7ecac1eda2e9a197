//! The scenarios, run in a page and in a worker, with each kind of socket that the browser has.
#![allow(clippy::unwrap_used, reason = "this is a test")]

mod bytes;
mod closing;
mod connecting;
mod freeing;
mod halves;
mod messages;
mod peer;
mod pressure;
mod reconnecting;
mod resuming;
