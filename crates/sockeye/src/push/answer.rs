use std::any::Any;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Deref, DerefMut};

use sockeye_proto::handshake::Response;

/// The answer to a request that [`Handler::upgrade`](super::Handler::upgrade) admits, with the data
/// of its connection. It dereferences to a [`Response`], which accepts headers and another
/// subprotocol.
pub struct Answer {
    response: Response,
    peer: SocketAddr,
    data: Option<Box<dyn Any>>,
}

impl Answer {
    pub(super) const fn new(response: Response, peer: SocketAddr) -> Self {
        Self { response, peer, data: None }
    }

    /// Returns the address of the client. Behind a proxy that is not
    /// [trusted](crate::upgrade::Options::trusted_proxies), this is the address of the proxy.
    pub const fn peer_addr(&self) -> SocketAddr {
        self.peer
    }

    /// Sets the initial data of the connection, which [`Connection::data`](super::Connection::data)
    /// returns.
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
