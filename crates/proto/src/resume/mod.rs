//! A byte stream that outlives its WebSocket, without I/O, clock and randomness.
//!
//! A session has a byte stream in each direction, a [`Token`] that the server chooses, and at most
//! one WebSocket at a time. Each end keeps the bytes that the other program has not read. When the
//! WebSocket is lost, the client opens another one and presents the token, both ends state how much
//! they have received, and the rest is sent again. A session that cannot continue ends with a
//! [`ResumeError`]: no byte is lost or doubled in silence. The file `docs/resume-protocol.md` of the
//! repository specifies the [frames](Frame).
//!
//! Programs use `sockeye::resume`, which drives the [`Session`]:
//!
//! ```
//! use std::time::Duration;
//!
//! use sockeye_proto::resume::{Frame, Limits, Session, Token};
//!
//! // The driver provides the clock, the randomness and the WebSockets.
//! let now = Duration::ZERO;
//! let mut client = Session::client(Limits::new());
//! client.connect();
//! client.write(b"hello");
//!
//! // The client's first frame begins the session. The server answers with the token.
//! let hello = client.poll_transmit(now).unwrap();
//! let Ok(Frame::Hello { window }) = Frame::decode(&hello) else { panic!() };
//! let mut server = Session::server(Limits::new(), Token::new([7; 32]), window);
//! while let Some(frame) = server.poll_transmit(now) {
//!     client.handle(&frame, now)?;
//! }
//! while let Some(frame) = client.poll_transmit(now) {
//!     server.handle(&frame, now)?;
//! }
//! let mut bytes = [0; 10];
//! assert_eq!(server.read(&mut bytes, now), 5);
//!
//! // Both ends lose the WebSocket, and the client attaches another one.
//! server.detach(now);
//! client.detach(now);
//! client.write(b", again");
//! client.connect();
//! let attach = client.poll_transmit(now).unwrap();
//! let Ok(Frame::Attach(attach)) = Frame::decode(&attach) else { panic!() };
//! assert!(server.token().is_some_and(|token| *token == attach.token));
//! server.attach(&attach)?;
//! while let Some(frame) = server.poll_transmit(now) {
//!     client.handle(&frame, now)?;
//! }
//! while let Some(frame) = client.poll_transmit(now) {
//!     server.handle(&frame, now)?;
//! }
//! assert_eq!(server.read(&mut bytes, now), 7);
//! # Ok::<_, sockeye_proto::resume::ResumeError>(())
//! ```

mod byte_queue;
mod error;
mod frame;
mod limits;
mod receiving;
mod sending;
mod session;
mod stream_state;
#[cfg(test)]
mod tests;
mod token;

pub use error::{EndReason, FrameError, ResumeError};
pub use frame::{Attach, EncodedFrame, Frame, MAX_DATA_LENGTH, Position};
pub use limits::Limits;
pub use session::Session;
pub use stream_state::StreamState;
pub use token::Token;

/// The subprotocol whose binary messages are [`Frame`]s.
pub const SUBPROTOCOL: &str = "sockeye.resume.v1";
