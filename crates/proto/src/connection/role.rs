/// Which end of the connection is local.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The local end connected: it masks what it sends.
    Client,
    /// The local end accepted: it takes masked frames only.
    Server,
}
