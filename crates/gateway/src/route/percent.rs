use std::borrow::Cow;
use std::error::Error;
use std::fmt;

/// The reason why percent-encoded text cannot be decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EscapeError {
    /// A `%` is not followed by two hexadecimal digits.
    Malformed,
    /// The decoded bytes are not UTF-8.
    NotUtf8,
}

impl fmt::Display for EscapeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "a % must be followed by two hexadecimal digits",
            Self::NotUtf8 => "the decoded text must be UTF-8",
        })
    }
}

impl Error for EscapeError {}

/// Decodes all escapes. A `+` stays.
pub(crate) fn decode(text: &str) -> Result<Cow<'_, str>, EscapeError> {
    decode_with(text, false, |_| false)
}

/// Decodes a name or value of a query, where a `+` is a space.
pub(crate) fn decode_query(text: &str) -> Result<Cow<'_, str>, EscapeError> {
    decode_with(text, true, |_| false)
}

/// Decodes all escapes but those of the bytes that `keep` names, which stay as they are written.
pub(crate) fn decode_except(
    text: &str,
    keep: impl Fn(u8) -> bool,
) -> Result<Cow<'_, str>, EscapeError> {
    decode_with(text, false, keep)
}

/// Reports whether RFC 3986 section 2.2 reserves a byte.
pub(crate) fn is_reserved(byte: u8) -> bool {
    b":/?#[]@!$&'()*+,;=".contains(&byte)
}

/// Returns the byte of an escape at the start of `text`.
pub(crate) fn escape(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else { return None };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

fn decode_with(
    text: &str,
    plus_is_space: bool,
    keep: impl Fn(u8) -> bool,
) -> Result<Cow<'_, str>, EscapeError> {
    let is_special = |&byte: &u8| byte == b'%' || plus_is_space && byte == b'+';
    if !text.as_bytes().iter().any(is_special) {
        return Ok(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some(position) = rest.iter().position(is_special) {
        let (plain, special) = rest.split_at(position);
        out.extend_from_slice(plain);
        if special[0] == b'+' {
            out.push(b' ');
            rest = &special[1..];
            continue;
        }
        let byte = escape(special).ok_or(EscapeError::Malformed)?;
        if keep(byte) {
            out.extend_from_slice(&special[..3]);
        } else {
            out.push(byte);
        }
        rest = &special[3..];
    }
    out.extend_from_slice(rest);
    String::from_utf8(out).map(Cow::Owned).map_err(|_| EscapeError::NotUtf8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(decode("a%252Fb").unwrap(), "a%2Fb");
        assert_eq!(decode("%e4%B8%96+").unwrap(), "世+");
        assert_eq!(decode_query("a+b%2B").unwrap(), "a b+");
        assert!(matches!(decode("plain"), Ok(Cow::Borrowed("plain"))));
    }

    #[test]
    fn malformed_escapes_and_bytes_are_refused() {
        for text in ["%", "%4", "a%zz", "%%41", "%+1", "%é"] {
            assert_eq!(decode(text), Err(EscapeError::Malformed), "{text}");
        }
        assert_eq!(decode("%ff"), Err(EscapeError::NotUtf8));
        assert_eq!(decode("%c3%28"), Err(EscapeError::NotUtf8));
    }

    #[test]
    fn kept_escapes_stay_as_they_are_written() {
        assert_eq!(decode_except("a%2fb%20c%3A", is_reserved).unwrap(), "a%2fb c%3A");
    }

    proptest! {
        #[test]
        fn encoded_text_decodes_to_itself(text in any::<String>()) {
            let escapes: Vec<_> = text.bytes().map(|byte| format!("%{byte:02x}")).collect();
            let encoded = escapes.concat();
            prop_assert_eq!(decode(&encoded).unwrap(), &*text);
            prop_assert_eq!(decode_query(&encoded).unwrap(), &*text);
        }

        #[test]
        fn no_text_panics(text in "[%+a-f0-9é]{0,16}") {
            let _ = decode(&text);
            let _ = decode_query(&text);
            let _ = decode_except(&text, is_reserved);
        }
    }
}
