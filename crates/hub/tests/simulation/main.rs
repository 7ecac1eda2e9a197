//! Simulations of the core of the hub, which run many seeds: `ci/hub-simulation.sh`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod nothing_is_missed_silently;
mod presence;
mod seeds;
