//! The checksum of a PROXY header of version 2 (section 2.2.3, `PP2_TYPE_CRC32C`).

use std::ops::Range;

/// Type of the extension that holds the checksum.
const CRC32C: u8 = 0x03;

/// Size of the type and the length of an extension.
const EXTENSION_HEADER: usize = 3;

/// Size of the part before the addresses, and those of addresses by their family.
const FIXED: usize = 16;
const INET: usize = 12;
const INET6: usize = 36;
const UNIX: usize = 216;

/// Returns whether a whole header, with its family of addresses, has no checksum or the right one.
pub(super) fn is_intact(header: &[u8], family: u8) -> bool {
    let Some(place) = place(header, family) else { return true };
    let (before, checksum, after) =
        (&header[..place.start], &header[place.clone()], &header[place.end..]);
    // The checksum is that of the header with zeros in its place.
    let computed = crc32c([before, &[0; 4], after]);
    checksum == computed.to_be_bytes()
}

/// Returns the place of the checksum.
fn place(header: &[u8], family: u8) -> Option<Range<usize>> {
    let addresses = match family >> 4 {
        1 => INET,
        2 => INET6,
        3 => UNIX,
        _ => 0,
    };
    let mut at = FIXED + addresses;
    // Ends with the header: each turn passes an extension.
    loop {
        let &[kind, high, low] = header.get(at..at + EXTENSION_HEADER)? else { return None };
        let begin = at + EXTENSION_HEADER;
        let end = begin + usize::from(u16::from_be_bytes([high, low]));
        let value = header.get(begin..end)?;
        if kind == CRC32C && value.len() == 4 {
            return Some(begin..end);
        }
        at = end;
    }
}

/// Computes the checksum of RFC 3720, appendix B.4, bit by bit: headers are short, and one comes
/// per connection.
fn crc32c<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let mut crc = u32::MAX;
    for byte in parts.into_iter().flatten() {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (POLYNOMIAL & (crc & 1).wrapping_neg());
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_that_of_the_rfc() {
        assert_eq!(crc32c([&b"1234"[..], b"56789"]), 0xe306_9283);
        // RFC 3720, appendix B.4.
        assert_eq!(crc32c([&[0; 32][..]]), 0x8a91_36aa);
        assert_eq!(crc32c([&[0xff; 32][..]]), 0x62a8_ab43);
    }
}
