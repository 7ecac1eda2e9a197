//! What the peer sent, as errors quote it.

/// How many bytes of an offending value an error quotes.
const LENGTH: usize = 64;

/// The beginning of what the peer sent, fit for a log line: escaped and bounded.
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
