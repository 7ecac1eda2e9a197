use std::sync::Arc;

use sockeye::{CloseFrame, Error};

/// The way in which a session ended.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Disconnect {
    /// The client closed the connection, with this close frame; `None` when it was empty.
    Client(Option<CloseFrame>),
    /// The server closed the connection with this close frame: the application, another node, or
    /// the hub itself, which closes connections that are too slow with 1013.
    Server(CloseFrame),
    /// The connection failed: the client disappeared, or broke a rule.
    Failed(Arc<Error>),
    /// The program dropped the [`Session`](crate::Session).
    Dropped,
}
