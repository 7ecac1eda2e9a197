//! Excerpts of peer input, for errors to quote.

/// Maximum number of bytes that an error quotes of an offending value.
const LENGTH: usize = 64;

/// Returns the beginning of a value from the peer, escaped and bounded for a log line.
pub(crate) fn excerpt(value: impl AsRef<[u8]>) -> String {
    let value = value.as_ref();
    match value.get(..LENGTH) {
        Some(start) if value.len() > LENGTH => format!("{}…", start.escape_ascii()),
        _ => value.escape_ascii().to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quoted_value_is_escaped_and_bounded() {
        assert_eq!(excerpt("plain"), "plain");
        assert_eq!(excerpt(b"\x1b[2J\r\n"), "\\x1b[2J\\r\\n");
        assert_eq!(excerpt([b'a'; LENGTH]), "a".repeat(LENGTH));
        assert_eq!(excerpt([b'a'; LENGTH + 1]), format!("{}…", "a".repeat(LENGTH)));
    }
}
