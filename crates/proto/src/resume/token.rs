use std::fmt;
use std::hint::black_box;

/// Size of a token, in bytes.
pub(super) const TOKEN_SIZE: usize = 32;

/// Size of the part of a token that names the session, in bytes.
const ID_SIZE: usize = 8;

/// The token of a session: 256 random bits that the server chooses.
///
/// The first 64 bits name the session, so that a server can look the session up; the other 192 bits
/// are a secret. `==` takes the same time wherever two tokens differ, and `Debug` does not print
/// the secret. A token travels only in frames, never in a URL, which logs and proxies record.
#[derive(Clone, Copy)]
pub struct Token([u8; TOKEN_SIZE]);

impl Token {
    /// Creates a token from bytes that must be unpredictable.
    pub const fn new(random: [u8; TOKEN_SIZE]) -> Self {
        Self(random)
    }

    /// Returns the part that names the session, which is not secret.
    pub fn id(&self) -> u64 {
        let mut id = [0; ID_SIZE];
        id.copy_from_slice(&self.0[..ID_SIZE]);
        u64::from_be_bytes(id)
    }

    /// Returns the token as a frame contains it.
    pub(super) const fn as_bytes(&self) -> &[u8; TOKEN_SIZE] {
        &self.0
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        let pairs = self.0.iter().zip(&other.0);
        // The barrier keeps the compiler from ending the loop at the first difference.
        let differences = pairs.fold(0, |found, (a, b)| black_box(found | (a ^ b)));
        differences == 0
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({:016x}…)", self.id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_by_any_bit_and_show_no_secret() {
        let token = Token::new([0xa5; TOKEN_SIZE]);
        assert_eq!(token, token);
        for index in 0..TOKEN_SIZE {
            for bit in 0..8 {
                let mut other = token;
                other.0[index] ^= 1 << bit;
                assert_ne!(token, other);
            }
        }
        assert_eq!(format!("{token:?}"), "Token(a5a5a5a5a5a5a5a5…)");
    }
}
