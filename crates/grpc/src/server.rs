//! Servers of tonic.

use tonic::transport::Server;

/// A server of tonic with settings that fit [`Channel`](crate::Channel)s. [`serve`](crate::serve()) bears more.
///
/// * **Short messages that are not read.** HTTP/2 counts 256 bytes for each short message that waits to be read, and ends the
///   connection, with all calls on it, beyond half of the connection's window. Tonic's defaults bear 2,269 messages of 20
///   bytes. Here a call has a window of 64 KiB and a connection one of 16 MiB, so that the window makes the client of 13
///   such calls wait before that; more calls, or messages of fewer bytes, can still end a connection.
/// * **Calls that are dropped.** A program that drops many calls at once makes its server see streams that were reset before
///   they were looked at. Of these a server allows 20 by default and then ends the connection, for fear of an attack; here
///   it allows [`MAX_PENDING_ACCEPT_RESETS`].
pub fn server() -> Server {
    Server::builder()
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .http2_max_pending_accept_reset_streams(Some(MAX_PENDING_ACCEPT_RESETS))
}

/// The window that HTTP/2 begins with (RFC 9113 section 6.9.2).
const STREAM_WINDOW: u32 = 65_535;

/// Half of it is what h2 lets short frames cost. A message of 20 bytes is a frame of 25, which costs 231: 605,000 for a window
/// of them.
const CONNECTION_WINDOW: u32 = 16 * 1024 * 1024;

/// What [`server`] and [`serve`](crate::serve()) allow of streams that were reset before they were looked at. A
/// [`Connection`](crate::Connection) has its server look at them after each 16 KiB of input, which 630 calls of the shortest
/// kind and their resets fill.
pub const MAX_PENDING_ACCEPT_RESETS: usize = 1024;
