//! Byte streams that outlive their WebSocket, from a page or a worker.
//!
//! A [`ResumableStream`] goes on when its WebSocket is lost: the page opens another one, both ends
//! state how much they have received, and the rest is sent again. The programs at both ends notice
//! nothing but the delay. What cannot be kept is an [`Error`]: no byte is lost or doubled in
//! silence. The server's end is `sockeye::resume` of a native program.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sockeye_web::Client;
//! use sockeye_web::reconnect::Reconnecting;
//! use sockeye_web::resume::{ResumableStream, SUBPROTOCOL};
//! use tokio::io::AsyncWriteExt;
//!
//! let client = Client::new("wss://example.com/upload").subprotocols([SUBPROTOCOL]);
//! let mut stream = ResumableStream::connect(Reconnecting::new(client)).await?;
//! stream.write_all(b"a long text").await?;
//! stream.shutdown().await?;
//! stream.acknowledged().await?;
//! # Ok(())
//! # }
//! ```
//!
//! # What ends a session
//! A session ends when both programs have ended their direction and read everything. Otherwise it
//! ends with a [`ResumeError`]: among others when it was without a WebSocket for the server's
//! expiry, when the server was restarted, and when either program drops its stream early. A session
//! ends with its page: a reload begins another one.
//!
//! # Differences from a native program
//! Unlike [`ByteStream`](crate::ByteStream), a resumable stream ends each direction by itself. A
//! page cannot send pings: the loss of a connection without any packet is noticed when the browser
//! reports it, or when written bytes make no progress for
//! [`Config::write_timeout`](sockeye_proto::Config::write_timeout()). A program that knows earlier
//! calls [`ResumableStream::reconnect`]. When the browser reports that the machine is online again,
//! a stream without a WebSocket tries at once, whatever its backoff.
//!
//! Received bytes are bounded by [`Limits::window`], in browsers without `WebSocketStream` too.

mod client;
mod driver;
mod error;
mod online;
mod shared;
mod stream;

pub use error::Error;
pub use sockeye_proto::resume::{FrameError, Limits, ResumeError, SUBPROTOCOL};
pub use stream::ResumableStream;
