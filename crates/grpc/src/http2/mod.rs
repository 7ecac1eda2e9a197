//! The parts of an HTTP/2 connection that clients and servers share, on top of h2.
//!
//! ```text
//!   program ── Body ── inbox ◄── BodyReceiver ◄── h2 ◄── driver (one task a connection) ◄── transport
//!   program ── its body ──► SendBody ──────────► h2
//! ```
//!
//! h2 counts small DATA frames for as long as they wait in its queue of a stream, and ends the
//! whole connection when there are too many. So the driver of a connection takes frames out of h2
//! as they arrive, whether the program reads or not ([`intake`]). The window of the stream makes a
//! sender wait, since capacity is released only for bytes that the program has read.

mod inbox;
mod intake;
mod pipe;

pub(crate) use intake::{BodyReceiver, End, Incoming, Intakes, accept, poll_all};
pub(crate) use pipe::SendBody;
#[cfg(not(target_family = "wasm"))]
pub(crate) use pipe::Sent;

/// Budget for small DATA frames that have not been taken out of h2, in the unit of h2's
/// `data_frame_budget`: unlimited.
///
/// The driver takes the frames in each of its turns, and a turn reads at most
/// [`TURN`](crate::gather::TURN) bytes, so that h2 never holds many. Moreover, h2 (0.4.20) never
/// refunds the cost of frames that arrive after the program has dropped their stream: with any
/// limit, dropping streams of short messages eventually ends the connection, and all other calls on
/// it.
pub(crate) const DATA_FRAME_BUDGET: usize = usize::MAX;
