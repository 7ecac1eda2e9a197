//! Escaping of a peer's text for a log line or a terminal.

use std::fmt;

/// Escapes the characters of a text that could end a line, control a terminal, or reorder the text
/// around them: control characters, U+2028 and U+2029, and the marks of bidirectional text.
/// Invisible characters are escaped too; all others stay unchanged.
///
/// Every text from a peer passes through this function on its way to a log: close reasons, header
/// values, responses.
///
/// ```
/// let reason = "bye\n2026-01-01 INFO \u{202e}all is well";
/// assert_eq!(
///     sockeye_proto::escape(reason).to_string(),
///     r"bye\n2026-01-01 INFO \u{202e}all is well",
/// );
/// ```
pub const fn escape(text: &str) -> Escaped<'_> {
    Escaped(text)
}

/// A text that displays escaped, returned by [`escape`].
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = 0;
        for (at, character) in self.0.char_indices().filter(|(_, character)| is_unsafe(*character))
        {
            f.write_str(&self.0[shown..at])?;
            shown = at + character.len_utf8();
            match character {
                '\n' | '\r' | '\t' => write!(f, "{}", character.escape_default())?,
                _ => write!(f, "{}", character.escape_unicode())?,
            }
        }
        f.write_str(&self.0[shown..])
    }
}

const fn is_unsafe(character: char) -> bool {
    matches!(
        character,
        // C0, DEL and C1: line breaks, and the beginnings of terminal control sequences.
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        // Line and paragraph separators.
        | '\u{2028}' | '\u{2029}'
        // Marks, embeddings, overrides and isolates of bidirectional text (UAX #9).
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
        // Invisible characters: zero width space, word joiner and similar ones, byte order mark.
        | '\u{200b}' | '\u{2060}'..='\u{2064}' | '\u{feff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ends_a_line_commands_a_terminal_or_reorders_text_is_escaped() {
        for (text, escaped) in [
            ("a\r\nb\tc", r"a\r\nb\tc"),
            ("\x1b[2J\0\x7f\u{9b}", r"\u{1b}[2J\u{0}\u{7f}\u{9b}"),
            ("\u{85}\u{2028}\u{2029}", r"\u{85}\u{2028}\u{2029}"),
            (
                "\u{202e}gnp\u{2066}\u{2069}\u{61c}\u{200f}",
                r"\u{202e}gnp\u{2066}\u{2069}\u{61c}\u{200f}",
            ),
            ("\u{feff}\u{200b}", r"\u{feff}\u{200b}"),
        ] {
            assert_eq!(escape(text).to_string(), escaped);
        }
    }

    #[test]
    fn what_can_be_read_stays_as_it_is() {
        for text in ["", "plain", "C:\\n", "grüße, 世界 🐟", "עברית"] {
            assert_eq!(escape(text).to_string(), text);
        }
    }
}
