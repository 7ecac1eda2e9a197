use super::error::{Problem, Result, TranscodeError};

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// The number of bytes before the first that a JSON string cannot have as it is: a quotation mark,
/// a backslash or a control character.
#[inline]
pub(super) fn plain_length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(chunk) = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*chunk);
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        // The lowest set bit is exact: borrows only go up.
        let control = word.wrapping_sub(ONES * 0x20) & !word;
        let zero = |word: u64| word.wrapping_sub(ONES) & !word;
        let special = (control | zero(quote) | zero(backslash)) & HIGH;
        if special != 0 {
            return at + special.trailing_zeros() as usize / 8;
        }
        at += 8;
    }
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|&&byte| byte >= 0x20 && byte != b'"' && byte != b'\\').count()
}

/// Returns true if all bytes are characters of ASCII that a JSON string can have as they are.
#[inline]
pub(super) fn is_plain_ascii(bytes: &[u8]) -> bool {
    // The high bit of a byte is set if the byte or one before it is another one.
    let special = |word: u64| {
        let quote = word ^ (ONES * u64::from(b'"'));
        let backslash = word ^ (ONES * u64::from(b'\\'));
        let control = word.wrapping_sub(ONES * 0x20);
        word | control | quote.wrapping_sub(ONES) | backslash.wrapping_sub(ONES)
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let all = words.iter().fold(0, |all, word| all | special(u64::from_le_bytes(*word)));
    // The last bytes, with some of those before them.
    let last = match (bytes.last_chunk::<8>(), rest.first_chunk::<4>(), rest.last_chunk::<4>()) {
        (Some(last), ..) => u64::from_le_bytes(*last),
        (_, Some(first), Some(last)) => {
            u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last))
        }
        _ => rest.iter().fold(ONES * u64::from(b' '), |word, byte| word << 8 | u64::from(*byte)),
    };
    (all | special(last)) & HIGH == 0
}

/// Appends a JSON string with its quotation marks.
#[inline]
pub(super) fn put_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    loop {
        let length = plain_length(rest);
        out.extend_from_slice(&rest[..length]);
        let Some(&byte) = rest.get(length) else { break };
        put_escape(byte, out);
        rest = &rest[length + 1..];
    }
    out.push(b'"');
}

fn put_escape(byte: u8, out: &mut Vec<u8>) {
    let short = match byte {
        b'"' | b'\\' => byte,
        0x08 => b'b',
        0x0c => b'f',
        b'\n' => b'n',
        b'\r' => b'r',
        b'\t' => b't',
        _ => {
            const HEX: &[u8; 16] = b"0123456789abcdef";
            out.extend_from_slice(b"\\u00");
            out.push(HEX[usize::from(byte >> 4)]);
            out.push(HEX[usize::from(byte & 15)]);
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// The text of a string field.
#[inline]
pub(super) fn utf8(bytes: &[u8], offset: usize) -> Result<&str> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| TranscodeError::new(Problem::Utf8, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_bytes_are_found_wherever_they_are() {
        for special in [b'"', b'\\', 0, 0x1f, b'\n'] {
            for before in 0..40 {
                let mut bytes = vec![0xe9; before];
                bytes.push(special);
                bytes.extend([b'"'; 10]);
                assert_eq!(plain_length(&bytes), before, "{special}");
            }
        }
        for length in 0..40 {
            assert_eq!(plain_length(&vec![b' '; length]), length);
            assert_eq!(plain_length(&vec![0x7f; length]), length);
            assert_eq!(plain_length(&vec![0xff; length]), length);
        }
        assert_eq!(plain_length(b"!#[]~\x80\xa2\xdc"), 8);
    }

    #[test]
    fn other_bytes_than_plain_ascii_are_found_wherever_they_are() {
        for length in 0..40 {
            for plain in [b' ', b'!', b'#', b'[', b']', b'a', 0x7f] {
                let mut bytes = vec![plain; length];
                assert!(is_plain_ascii(&bytes));
                for at in 0..length {
                    for special in [b'"', b'\\', 0, 1, 0x1f, b'\n', 0x80, 0xa2, 0xdc, 0xff] {
                        bytes[at] = special;
                        assert!(!is_plain_ascii(&bytes), "{special} at {at} of {length}");
                    }
                    bytes[at] = plain;
                }
            }
        }
    }

    #[test]
    fn strings_are_escaped_as_little_as_possible() {
        let mut out = Vec::new();
        put_json_string("a\"\\\u{0}\u{1f}\u{8}\u{c}\n\r\t/<é\u{7f}\u{2028}", &mut out);
        let expected = "\"a\\\"\\\\\\u0000\\u001f\\b\\f\\n\\r\\t/<é\u{7f}\u{2028}\"";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
