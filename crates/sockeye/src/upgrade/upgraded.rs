use std::fmt;

use bytes::BytesMut;
use http::Extensions;
use sockeye_proto::handshake::Negotiated;

/// A byte stream after the opening handshake, for programs that handle frames themselves, as
/// returned by [`Upgrader::accept_raw`](super::Upgrader::accept_raw).
///
/// From here on, the stream carries only frames. [`frame::Header`](crate::frame::Header) and
/// [`mask::apply`](crate::mask::apply) read and write frames in the program's buffers, and
/// [`frame::Frame`](crate::frame::Frame) takes whole frames out of a `BytesMut`. The program must
/// implement the rules that concern more than one frame: the order of fragments, UTF-8, pongs, the
/// closing handshake, timeouts.
///
/// ```no_run
/// use sockeye::frame::{Frame, OpCode};
/// use sockeye::upgrade::{Upgraded, Upgrader};
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # async fn example(stream: tokio::net::TcpStream) -> Result<(), Box<dyn std::error::Error>> {
/// let Upgraded { mut stream, unread: mut input, .. } = Upgrader::new().accept_raw(stream).await?;
/// loop {
///     while let Some(frame) = Frame::decode(&mut input, true, 64 * 1024)? {
///         println!("{:?} of {} bytes", frame.opcode, frame.payload.len());
///     }
///     if stream.read_buf(&mut input).await? == 0 {
///         return Ok(());
///     }
/// }
/// # }
/// ```
#[non_exhaustive]
pub struct Upgraded<S> {
    /// The stream.
    pub stream: S,
    /// The bytes received beyond the request: the beginning of the first frames.
    pub unread: BytesMut,
    /// The result of the negotiation.
    pub negotiated: Negotiated,
    /// The data that [`Admission`](super::Admission) attached.
    pub data: Extensions,
}

impl<S> fmt::Debug for Upgraded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upgraded")
            .field("unread", &self.unread.len())
            .field("negotiated", &self.negotiated)
            .finish_non_exhaustive()
    }
}
