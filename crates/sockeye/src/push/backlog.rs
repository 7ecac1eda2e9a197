/// Decrypted input that the connection has not handled yet: at most what a backend reads from a
/// socket in one turn.
#[derive(Default)]
pub(super) struct Backlog {
    pub(super) bytes: Vec<u8>,
    /// Number of bytes that were handled.
    pub(super) handled: usize,
}

impl Backlog {
    /// Returns the bytes that were not handled before this turn.
    pub(super) fn input(&self) -> &[u8] {
        &self.bytes[self.handled..]
    }
}
