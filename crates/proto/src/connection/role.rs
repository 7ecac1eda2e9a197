/// The role of the local end of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The local end connected: it masks the frames that it sends.
    Client,
    /// The local end accepted the connection: it requires masked frames.
    Server,
}
