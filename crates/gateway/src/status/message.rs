use std::borrow::Cow;

use crate::route::percent::escape;

/// Percent-encodes a message for the header `grpc-message`: all bytes but printable ASCII, and `%`.
pub fn encode_message(message: &str) -> Cow<'_, str> {
    let is_plain = |byte: u8| matches!(byte, b' '..=b'~') && byte != b'%';
    if message.bytes().all(is_plain) {
        return Cow::Borrowed(message);
    }
    let mut out = String::with_capacity(message.len() + 16);
    for byte in message.bytes() {
        if is_plain(byte) {
            out.push(byte.into());
        } else {
            const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
            let digits = [byte >> 4, byte & 15].map(|digit| DIGITS[usize::from(digit)]);
            out.extend(['%', digits[0].into(), digits[1].into()]);
        }
    }
    Cow::Owned(out)
}

/// Decodes the value of the header `grpc-message`.
///
/// As gRPC asks, no message is refused: malformed escapes stay as they are, and bytes that are not
/// UTF-8 become U+FFFD.
pub fn decode_message(value: &[u8]) -> String {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((&first, tail)) = rest.split_first() {
        let byte = escape(rest);
        out.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &rest[3..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_printable_ascii_stays_as_it_is() {
        assert_eq!(encode_message("a b~"), "a b~");
        assert_eq!(encode_message("100%\r\né\u{7f}"), "100%25%0D%0A%C3%A9%7F");
    }

    #[test]
    fn malformed_escapes_stay_and_bytes_beyond_utf8_are_replaced() {
        assert_eq!(decode_message(b"%4"), "%4");
        assert_eq!(decode_message(b"%zz%41"), "%zzA");
        assert_eq!(decode_message(b"%ff\xfe"), "\u{fffd}\u{fffd}");
    }

    proptest! {
        #[test]
        fn messages_survive(message in any::<String>()) {
            let encoded = encode_message(&message);
            prop_assert!(encoded.bytes().all(|byte| matches!(byte, b' '..=b'~')));
            prop_assert_eq!(decode_message(encoded.as_bytes()), message);
        }

        #[test]
        fn no_value_panics(value in proptest::collection::vec(any::<u8>(), 0..32)) {
            decode_message(&value);
        }
    }
}
