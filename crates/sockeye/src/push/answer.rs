use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use sockeye_proto::handshake::Response;

/// The answer to a request that [`Handler::upgrade`](super::Handler::upgrade) lets in, with what goes with it. It is a
/// [`Response`], which takes headers and another subprotocol.
pub struct Answer {
    response: Response,
    peer: SocketAddr,
    data: Option<Box<dyn Any>>,
}

impl Answer {
    pub(super) const fn new(response: Response, peer: SocketAddr) -> Self {
        Self { response, peer, data: None }
    }

    /// The address that the request comes from. Behind a proxy it is the proxy's.
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Keeps a value with the connection from its beginning, where
    /// [`Connection::data`](super::Connection::data) finds it.
    pub fn set_data<T: 'static>(&mut self, data: T) {
        self.data = Some(Box::new(data));
    }

    pub(super) fn into_parts(self) -> (Response, Option<Box<dyn Any>>) {
        (self.response, self.data)
    }
}

impl Deref for Answer {
    type Target = Response;

    fn deref(&self) -> &Response {
        &self.response
    }
}

impl DerefMut for Answer {
    fn deref_mut(&mut self) -> &mut Response {
        &mut self.response
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer")
            .field("response", &self.response)
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
