//! Servers.

use tonic::transport::Server;

/// A server of tonic with settings that fit [`Channel`](crate::Channel)s.
///
/// A program that drops many calls at once makes its server see streams that were reset before they were looked at. Of
/// these a server allows 20 by default and then ends the connection, for fear of an attack; here it allows 16,384, for
/// which it takes up to about 8 MiB of memory for a connection, once.
pub fn server() -> Server {
    Server::builder().http2_max_pending_accept_reset_streams(Some(MAX_PENDING_ACCEPT_RESETS))
}

/// What [`server`] allows of streams that were reset before they were looked at, for programs that serve with hyper: more
/// than a burst of 10,000 calls leaves, all of which a browser was seen to send and cancel within one turn.
pub const MAX_PENDING_ACCEPT_RESETS: usize = 16_384;
