//! Settings for tonic servers.

use tonic::transport::Server;

/// Returns a tonic server builder with settings that suit [`Channel`](crate::Channel)s.
/// [`serve`](crate::serve()) tolerates more.
///
/// * **Short messages that are not read.** h2 counts 256 bytes for each short message that waits to
///   be read, and ends the connection, with all its calls, beyond half of the connection's window.
///   Tonic's defaults tolerate 2,269 messages of 20 bytes. Here a call has a window of 64 KiB and a
///   connection one of 16 MiB, so that the window makes the client of 13 such calls wait before
///   that; more calls, or shorter messages, can still end a connection.
/// * **Calls that are dropped.** When a program drops many calls at once, its server sees streams
///   that were reset before they were accepted. A server allows 20 of these by default, and then
///   ends the connection as a defense against attacks; this one allows
///   [`MAX_PENDING_ACCEPT_RESETS`].
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_ACCEPT_RESETS))
}

/// Window of a stream, in bytes: the initial window of HTTP/2 (RFC 9113 section 6.9.2).
const STREAM_WINDOW: u32 = 65_535;

/// Window of a connection, in bytes. h2 allows short frames to cost half of it. A message of 20
/// bytes is a frame of 25, which costs 231: frames that fill the window of a stream cost 605,000.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// Maximum number of streams that were reset before they were accepted, for [`server`] and
/// [`serve`](crate::serve()). A [`Connection`](crate::Connection) makes its server accept streams
/// after each 16 KiB of input, which 630 calls of the shortest kind and their resets fill.
pub const MAX_PENDING_ACCEPT_RESETS: usize = 1024;
