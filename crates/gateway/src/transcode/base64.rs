const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The six bits of each digit of either alphabet; [`NONE`] for other bytes.
const DIGITS: [u8; 256] = {
    let mut digits = [NONE; 256];
    let mut value = 0_u8;
    while value < 64 {
        digits[ALPHABET[value as usize] as usize] = value;
        value += 1;
    }
    digits[b'-' as usize] = 62;
    digits[b'_' as usize] = 63;
    digits
};

const NONE: u8 = 0xff;

/// Appends the bytes that `text` encodes, in the standard or the URL-safe alphabet, with padding or
/// without. Returns false, with part of the bytes appended, if it is not base64.
///
/// Bits after the last byte are ignored, as every implementation of protobuf does.
pub(super) fn decode(text: &[u8], out: &mut Vec<u8>) -> bool {
    let digits = match text {
        [rest @ .., b'=', b'='] if text.len().is_multiple_of(4) => rest,
        [rest @ .., b'='] if text.len().is_multiple_of(4) => rest,
        _ => text,
    };
    if digits.len() % 4 == 1 {
        return false;
    }
    let (groups, rest) = digits.as_chunks::<4>();
    let start = out.len();
    out.resize(start + groups.len() * 3, 0);
    let mut all = 0;
    for (group, bytes) in groups.iter().zip(out[start..].as_chunks_mut::<3>().0) {
        let [a, b, c, d] = group.map(|digit| DIGITS[digit as usize]);
        *bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
        all |= a | b | c | d;
    }
    if all >= 64 {
        return false;
    }
    match *rest {
        [a, b] => {
            let [a, b] = [a, b].map(|digit| DIGITS[digit as usize]);
            out.push(a << 2 | b >> 4);
            a | b < 64
        }
        [a, b, c] => {
            let [a, b, c] = [a, b, c].map(|digit| DIGITS[digit as usize]);
            out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2]);
            a | b | c < 64
        }
        _ => true,
    }
}

/// Appends `bytes` in the standard alphabet, with padding.
pub(super) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    let digit = |value: u8| ALPHABET[usize::from(value & 63)];
    let (groups, rest) = bytes.as_chunks::<3>();
    let start = out.len();
    out.resize(start + groups.len() * 4, 0);
    for (&[a, b, c], text) in groups.iter().zip(out[start..].as_chunks_mut::<4>().0) {
        *text = [digit(a >> 2), digit(a << 4 | b >> 4), digit(b << 2 | c >> 6), digit(c)];
    }
    match *rest {
        [a] => out.extend_from_slice(&[digit(a >> 2), digit(a << 4), b'=', b'=']),
        [a, b] => {
            out.extend_from_slice(&[digit(a >> 2), digit(a << 4 | b >> 4), digit(b << 2), b'=']);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(text: &str) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        decode(text.as_bytes(), &mut out).then_some(out)
    }

    #[test]
    fn bytes_of_every_length_come_back() {
        let bytes: Vec<u8> = (0..=255).collect();
        for length in 0..bytes.len() {
            let mut text = Vec::new();
            encode(&bytes[..length], &mut text);
            assert_eq!(text.len() % 4, 0);
            let text = String::from_utf8(text).unwrap();
            assert_eq!(decoded(&text).unwrap(), bytes[..length]);
            assert_eq!(decoded(text.trim_end_matches('=')).unwrap(), bytes[..length]);
            let url_safe = text.replace('+', "-").replace('/', "_");
            assert_eq!(decoded(&url_safe).unwrap(), bytes[..length]);
        }
    }

    #[test]
    fn text_that_is_not_base64_is_refused() {
        for text in ["*", "A", "AQI==", "AQ=", "=", "====", "AQ=I", "AQIDA", "AQID=", "AQ I", "é"]
        {
            assert_eq!(decoded(text), None, "{text}");
        }
        assert_eq!(decoded("-_").unwrap(), [0xfb]);
    }
}
