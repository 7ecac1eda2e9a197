//! Variable-length integers (RFC 9000 section 16): the two highest bits of the first byte state the
//! size, and the other bits are the value.

use bytes::{Buf, BufMut, Bytes};

use super::Violation;

/// The highest value.
pub(super) const MAX: u64 = (1 << 62) - 1;

/// Returns the size of the shortest encoding, in bytes.
pub(super) const fn size(value: u64) -> usize {
    match value {
        0..=0x3f => 1,
        0x40..=0x3fff => 2,
        0x4000..=0x3fff_ffff => 4,
        _ => 8,
    }
}

/// Appends the shortest encoding of a value; values above [`MAX`] are encoded as that.
pub(super) fn put(value: u64, out: &mut impl BufMut) {
    let value = value.min(MAX);
    let size = size(value);
    let prefix = u64::from(size.trailing_zeros()) << (8 * size - 2);
    out.put_uint(value | prefix, size);
}

/// Returns the value at the beginning of the input, and its size in bytes; `None` if bytes are
/// missing.
pub(super) fn peek(input: &[u8]) -> Option<(u64, usize)> {
    let size = 1 << (input.first()? >> 6);
    let bytes = input.get(..size)?;
    let value = bytes.iter().fold(0, |value, &byte| (value << 8) | u64::from(byte));
    Some((value & (MAX >> (64 - 8 * size)), size))
}

/// Removes a value from the input.
pub(super) fn take(input: &mut Bytes) -> Result<u64, Violation> {
    let (value, size) = peek(input).ok_or(Violation::Truncated)?;
    input.advance(size);
    Ok(value)
}

/// Removes `length` bytes from the input.
pub(super) fn take_bytes(input: &mut Bytes, length: u64) -> Result<Bytes, Violation> {
    match usize::try_from(length) {
        Ok(length) if length <= input.len() => Ok(input.split_to(length)),
        _ => Err(Violation::Truncated),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_values_of_the_rfc_are_decoded() {
        // RFC 9000 appendix A.1.
        for (bytes, value) in [
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c][..], 151_288_809_941_952_652),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0x7b, 0xbd], 15_293),
            (&[0x25], 37),
            (&[0x40, 0x25], 37),
        ] {
            assert_eq!(peek(bytes), Some((value, bytes.len())));
            for end in 0..bytes.len() {
                assert_eq!(peek(&bytes[..end]), None);
            }
        }
    }

    #[test]
    fn values_at_the_edge_of_a_size_survive() {
        for value in [0, 63, 64, 16_383, 16_384, (1 << 30) - 1, 1 << 30, MAX] {
            let mut bytes = Vec::new();
            put(value, &mut bytes);
            assert_eq!(bytes.len(), size(value));
            assert_eq!(peek(&bytes), Some((value, bytes.len())));
        }
    }
}
