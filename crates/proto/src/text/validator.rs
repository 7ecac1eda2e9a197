use std::fmt;

/// A validator for UTF-8 that arrives in pieces, cut anywhere. It fails at the first byte that no
/// continuation can make valid (RFC 6455 section 8.1, RFC 3629).
///
/// ```
/// use sockeye_proto::text::Validator;
///
/// let mut validator = Validator::new();
/// validator.push(b"caf\xc3")?;
/// validator.push(b"\xa9")?;
/// validator.finish()?;
/// # Ok::<(), sockeye_proto::text::InvalidUtf8>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct Validator {
    /// The beginning of a character whose rest has not arrived: a valid prefix of at most three
    /// bytes.
    pending: [u8; 4],
    length: usize,
}

impl Validator {
    /// Creates a validator at the start of a text.
    pub const fn new() -> Self {
        Self { pending: [0; 4], length: 0 }
    }

    /// Checks the next piece.
    ///
    /// # Errors
    /// [`InvalidUtf8`] if no continuation can make the text valid; the validator is unusable
    /// afterwards.
    #[inline]
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), InvalidUtf8> {
        while self.length > 0 {
            let Some((&byte, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            // At most three bytes are pending, even after a failure: four are a character or
            // invalid.
            self.pending[self.length] = byte;
            match std::str::from_utf8(&self.pending[..=self.length]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return Err(InvalidUtf8),
                Err(_) => self.length += 1,
            }
        }
        let Err(error) = simdutf8::compat::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(InvalidUtf8);
        }
        let tail = &piece[error.valid_up_to()..];
        self.pending[..tail.len()].copy_from_slice(tail);
        self.length = tail.len();
        Ok(())
    }

    /// Checks that the text does not end within a character.
    ///
    /// # Errors
    /// [`InvalidUtf8`] if the text ends within a character.
    pub const fn finish(self) -> Result<(), InvalidUtf8> {
        if self.length == 0 { Ok(()) } else { Err(InvalidUtf8) }
    }
}

/// The error for bytes that are not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidUtf8;

impl fmt::Display for InvalidUtf8 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not UTF-8")
    }
}

impl std::error::Error for InvalidUtf8 {}

#[cfg(test)]
mod tests {
    use super::*;

    const VALID: &[&str] = &["", "plain", "é", "κόσμε", "\u{ffff}", "a😀b", "\u{10ffff}\u{0}"];

    const INVALID: &[&[u8]] = &[
        b"\x80",
        b"\xc0\x80",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
        b"\xf8\x88\x80\x80\x80",
        b"ok\xce\xbaok\xff",
    ];

    fn in_two(bytes: &[u8], at: usize) -> Result<(), InvalidUtf8> {
        let mut validator = Validator::new();
        validator.push(&bytes[..at])?;
        validator.push(&bytes[at..])?;
        validator.finish()
    }

    #[test]
    fn valid_text_passes_at_every_split() {
        for text in VALID {
            for at in 0..=text.len() {
                assert_eq!(in_two(text.as_bytes(), at), Ok(()), "{text:?} at {at}");
            }
        }
    }

    #[test]
    fn invalid_text_fails_at_every_split() {
        for bytes in INVALID {
            for at in 0..=bytes.len() {
                assert_eq!(in_two(bytes, at), Err(InvalidUtf8), "{bytes:x?} at {at}");
            }
        }
    }

    #[test]
    fn text_cut_inside_a_character_fails_at_its_end() {
        for bytes in [&b"\xc3"[..], b"\xe2\x82", b"\xf0\x9f\x98"] {
            let mut validator = Validator::new();
            validator.push(bytes).unwrap();
            assert_eq!(validator.finish(), Err(InvalidUtf8));
        }
    }

    #[test]
    fn a_failed_validator_can_be_pushed_on_without_a_panic() {
        let mut validator = Validator::new();
        validator.push(b"\xf0\x9f\x98").unwrap();
        assert_eq!(validator.push(b"\xff"), Err(InvalidUtf8));
        let _ = validator.push(b"abcdef");
    }

    #[test]
    fn a_byte_that_cannot_continue_fails_as_it_arrives() {
        let mut validator = Validator::new();
        validator.push(b"\xf4").unwrap();
        assert_eq!(validator.push(b"\x90"), Err(InvalidUtf8));
    }
}
