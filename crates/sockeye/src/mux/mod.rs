//! Streams and datagrams over one WebSocket.
//!
//! A [`Session`] carries any number of streams, each with a window of its own: a stream that its
//! program does not read holds up no other. The protocol is QMux, QUIC's streams over a reliable
//! connection, as the npm package `@moq/qmux` and the crate `qmux` speak it. The file
//! `docs/mux.md` of the repository states the versions.
//!
//! ```
//! use sockeye::mux::{Config, SUBPROTOCOL, Session};
//! use sockeye::upgrade::{Options, Upgrader};
//! use sockeye::{Client, WebSocket};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//!
//! # async fn pair() -> sockeye::Result<(WebSocket, WebSocket)> {
//! #     let (near, far) = tokio::io::duplex(64 * 1024);
//! #     let client = Client::new("ws://localhost/").subprotocols([SUBPROTOCOL]);
//! #     let server = Upgrader::new().options(Options::new().subprotocols([SUBPROTOCOL]));
//! #     let (client, server) = tokio::join!(client.handshake(near), server.accept(far));
//! #     Ok((client?, server?))
//! # }
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Two ends of a WebSocket, which was opened with the subprotocol.
//! let (client, server): (WebSocket, WebSocket) = pair().await?;
//! let client = Session::client(client, Config::new());
//! let server = Session::server(server, Config::new());
//!
//! let (mut request, mut response) = client.open_bi().await?;
//! request.write_all(b"hello").await?;
//! request.finish()?;
//!
//! let (mut send, mut recv) = server.accept_bi().await?;
//! let copied = tokio::io::copy(&mut recv, &mut send).await?;
//! assert_eq!(copied, 5);
//! send.finish()?;
//!
//! let mut text = String::new();
//! response.read_to_string(&mut text).await?;
//! assert_eq!(text, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! Over a [`ResumableStream`](crate::resume::ResumableStream), a session outlives its WebSocket.
//! That stream has a timeout of its own, so the session's is turned off:
//!
//! ```no_run
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use sockeye::Client;
//! use sockeye::mux::{Config, Session};
//! use sockeye::reconnect::Reconnecting;
//! use sockeye::resume::{ResumableStream, SUBPROTOCOL};
//!
//! let client = Client::new("wss://example.com/").subprotocols([SUBPROTOCOL]);
//! let stream = ResumableStream::connect(Reconnecting::new(client)).await?;
//! let session = Session::client_resumable(stream, Config::new().idle_timeout(None));
//! # drop(session);
//! # Ok(())
//! # }
//! ```
//!
//! # Limits
//! The peer may send as much as the windows of [`Config`] allow before the program reads, and open
//! as many streams. An unread session holds at most [`Config::session_window`], in chunks that may
//! be up to an eighth of the memory in which they arrived. A peer that exceeds a limit ends the
//! session with a [`Violation`].

mod byte_stream;
mod driver;
mod error;
mod recv_stream;
mod resumable;
mod send_stream;
mod session;
mod shared;
mod websocket;

pub use error::{DatagramError, ReadError, SessionError, WriteError};
pub use recv_stream::RecvStream;
pub use send_stream::SendStream;
pub use session::Session;
pub use sockeye_proto::mux::{
    Config, Direction, DroppedDatagrams, ErrorCode, SUBPROTOCOL, StreamId, Violation,
};
