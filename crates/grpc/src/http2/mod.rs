//! The parts of an HTTP/2 connection that clients and servers have in common, over h2.
//!
//! ```text
//!   program ── Body ── inbox ◄── Intake ◄── h2 ◄── driver (one task a connection) ◄── transport
//!   program ── its body ──► Pipe ──────────► h2
//! ```
//!
//! h2 counts small DATA frames for as long as they wait in its own queue of a stream, and ends the whole connection when
//! there are too many of them. So the task that drives a connection takes frames out of h2 as they come, whether the program
//! reads or not ([`intake`]). It is the window of the stream that makes a sender wait, since capacity is released only for
//! what the program has read.

mod inbox;
mod intake;
mod pipe;

pub(crate) use intake::{End, Incoming, Intake, Intakes, accept, poll_all};
pub(crate) use pipe::Pipe;
#[cfg(not(target_family = "wasm"))]
pub(crate) use pipe::Sent;

/// What small DATA frames may cost until they are taken out of h2, in the unit of h2's `data_frame_budget`: no limit.
///
/// The driver takes them in each of its turns, which bring at most [`TURN`](crate::gather::TURN) bytes of frames, so that h2 never
/// holds many. And h2 (0.4.20) never gives back what the frames of a stream cost that arrive after the program has dropped the
/// stream: with any limit, dropping streams of short messages ends the connection, and all other calls on it, sooner or later.
pub(crate) const DATA_FRAME_BUDGET: usize = usize::MAX;
