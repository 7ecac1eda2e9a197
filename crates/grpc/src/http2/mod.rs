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

/// What small DATA frames may cost until the driver has taken them, in the unit of h2's `data_frame_budget`. One turn of the
/// driver brings at most [`TURN`](crate::gather::TURN) bytes of frames: 1,638 of one byte, which cost 417,690.
pub(crate) const DATA_FRAME_BUDGET: usize = 1024 * 1024;
