/// A text that is mostly short, such as the name of a field. Appending and comparing it takes a
/// few instructions of fixed size; calls of `memcpy` and `memcmp` take several times as many.
#[derive(Debug)]
pub(super) struct ShortText {
    bytes: Box<[u8]>,
    /// The first bytes, then zeros.
    head: [u8; HEAD],
    /// The bits of a word of [`HEAD`] bytes that the text fills.
    mask: u128,
}

const HEAD: usize = 16;

impl ShortText {
    pub(super) fn new(bytes: &[u8]) -> Self {
        let mut head = [0; HEAD];
        let length = bytes.len().min(HEAD);
        head[..length].copy_from_slice(&bytes[..length]);
        let unused = 8 * (HEAD - length);
        let mask = if length == 0 { 0 } else { u128::MAX >> unused };
        Self { bytes: bytes.into(), head, mask }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Appends the text.
    #[inline]
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        if self.bytes.len() <= HEAD {
            let end = out.len() + self.bytes.len();
            out.extend_from_slice(&self.head);
            out.truncate(end);
        } else {
            out.extend_from_slice(&self.bytes);
        }
    }

    /// Returns true if `bytes` begin with the text.
    #[inline]
    pub(super) fn begins(&self, bytes: &[u8]) -> bool {
        let Some(head) = bytes.first_chunk() else { return bytes.starts_with(&self.bytes) };
        let difference = u128::from_le_bytes(*head) ^ u128::from_le_bytes(self.head);
        difference & self.mask == 0 && (self.bytes.len() <= HEAD || bytes.starts_with(&self.bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_every_length_are_appended_and_found() {
        let letters = b"abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz";
        for length in 0..40 {
            let text = ShortText::new(&letters[..length]);
            assert_eq!(text.len(), length);
            let mut out = b"before".to_vec();
            text.put(&mut out);
            assert_eq!(out, [b"before", &letters[..length]].concat());
            for end in 0..letters.len() {
                assert_eq!(text.begins(&letters[..end]), end >= length);
            }
            for at in 0..length {
                let mut other = letters.to_vec();
                other[at] = b'.';
                assert!(!text.begins(&other));
            }
        }
    }
}
