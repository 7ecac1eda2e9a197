//! Tokens and comma-separated lists, the grammar of HTTP headers (RFC 9110 section 5.6).

/// Returns whether `text` is a token: one or more of the characters that HTTP allows in one (RFC
/// 9110 section 5.6.2).
pub(crate) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// Returns whether a token may contain the byte.
pub(crate) const fn is_token_byte(byte: u8) -> bool {
    matches!(
        byte,
        b'!' | b'#'..=b'\'' | b'*' | b'+' | b'-' | b'.' | b'0'..=b'9' | b'A'..=b'Z' | b'^'..=b'z' | b'|' | b'~'
    )
}

/// Returns the elements of a comma-separated list, without the space around them. Empty elements
/// are skipped (RFC 9110 section 5.6.1.2).
pub(crate) fn list(value: &str) -> impl Iterator<Item = &str> {
    value.split(',').map(trim).filter(|element| !element.is_empty())
}

/// Returns whether a comma-separated list contains the element, ignoring case.
pub(crate) fn list_has(value: &str, wanted: &str) -> bool {
    list(value).any(|element| element.eq_ignore_ascii_case(wanted))
}

/// Returns `text` without the spaces and tabs at its ends.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches([' ', '\t'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_has_no_separator_space_control_or_non_ascii() {
        assert!(is_token("!#$%&'*+-.^_`|~09azAZ"));
        assert!(!is_token(""));
        for byte in (0..=b' ').chain(*b"\"(),/:;<=>?@[\\]{}\x7f\x80\xff") {
            assert!(!is_token_byte(byte), "{byte:#x}");
        }
    }

    #[test]
    fn a_list_skips_empty_elements_and_outer_space() {
        let elements: Vec<_> = list(" ,a ,\t b,, c d,").collect();
        assert_eq!(elements, ["a", "b", "c d"]);
        assert!(list_has("keep-alive, Upgrade", "upgrade"));
        assert!(!list_has("keep-alive-upgrade", "upgrade"));
    }
}
