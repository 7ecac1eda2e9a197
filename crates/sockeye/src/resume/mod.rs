//! Byte streams that outlive their WebSocket.
//!
//! A [`ResumableStream`] goes on when its WebSocket is lost: the client opens another one, both
//! ends state how much they have received, and the rest is sent again. The programs at both ends
//! notice nothing but the delay. What cannot be kept is an [`Error`]: no byte is lost or doubled in
//! silence.
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sockeye::Client;
//! use sockeye::reconnect::Reconnecting;
//! use sockeye::resume::{ResumableStream, SUBPROTOCOL};
//! use tokio::io::AsyncWriteExt;
//!
//! let client = Client::new("wss://example.com/upload").subprotocols([SUBPROTOCOL]);
//! let mut stream = ResumableStream::connect(Reconnecting::new(client)).await?;
//! stream.write_all(&std::fs::read("backup.tar")?).await?;
//! stream.shutdown().await?;
//! stream.acknowledged().await?;
//! # Ok(())
//! # }
//! ```
//!
//! A server passes the WebSockets to [`ResumableSessions`], which are bounded in number, memory and
//! time:
//!
//! ```no_run
//! # async fn example() -> sockeye::Result<()> {
//! use sockeye::Server;
//! use sockeye::resume::{self, SUBPROTOCOL};
//! use sockeye::upgrade::Options;
//!
//! let (mut listener, sessions) = resume::listener();
//! let server = Server::bind("127.0.0.1:8080")
//!     .await?
//!     .options(Options::new().subprotocols([SUBPROTOCOL]));
//! tokio::spawn(server.serve(move |ws| {
//!     let sessions = sessions.clone();
//!     // The identity that the server has established, such as the user of a bearer token.
//!     async move { sessions.serve(ws, "anyone").await }
//! }));
//! while let Some(mut stream) = listener.accept().await {
//!     tokio::spawn(async move {
//!         let mut file = tokio::io::sink();
//!         tokio::io::copy(&mut stream, &mut file).await
//!     });
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # What ends a session
//! A session ends when both programs have ended their direction and read everything. Otherwise it
//! ends with a [`ResumeError`]: among others when it was without a WebSocket for
//! [`Limits::expiry`], when the server was restarted, and when either program drops its stream
//! early.
//!
//! # Security
//! A session belongs to the holder of its token, 256 random bits that travel only in frames, and to
//! the identity that the server's program states for the WebSocket: a stolen token is worth nothing
//! to another identity.

mod client;
mod driver;
mod error;
mod listener;
mod sessions;
mod shared;
mod stream;

pub use error::Error;
pub use listener::Listener;
pub use sessions::{ResumableSessions, listener};
pub use sockeye_proto::resume::{FrameError, Limits, ResumeError, SUBPROTOCOL};
pub use stream::{Attachment, ResumableStream};
