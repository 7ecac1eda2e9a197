//! Continuity between a store and those who follow its rooms: nothing is missed silently, repeated
//! or reordered, whatever the bus drops, repeats or reorders.
//!
//! A [`Chain`] follows one room for all sessions of a node. Holes in what the bus delivers are
//! healed once, by reading the history, and what cannot be healed is one gap for all members. A
//! [`CatchUp`] takes one session from the position it presents to where the node's chain is, and
//! ends in step with the chain. A [`ReadShare`] joins the reads of a room.
//!
//! All of them follow the store's publications by offset and tag, and believe a gap only when the
//! store's leader told it: a replica may lag.

mod ask;
mod catch_up;
mod chain;
mod held;
mod read_share;
#[cfg(test)]
mod tests;

pub use ask::{Ask, Question, Read};
pub use catch_up::{CatchUp, CatchUpConfig, CatchUpOutput};
pub use chain::{Chain, ChainConfig, ChainOutput, Received};
pub use read_share::{ReadShare, Shared, SharedRead};
