use std::borrow::Cow;

use super::decimal::Decimal;
use super::error::{Problem, Result, TranscodeError};
use super::number;
use super::short_text::ShortText;
use super::text::plain_length;

/// A strict reader of JSON (RFC 8259), which a caller pulls through the text.
#[derive(Debug)]
pub(super) struct JsonReader<'a> {
    text: &'a str,
    pos: usize,
}

impl<'a> JsonReader<'a> {
    /// A reader at the start of `bytes`, which must be UTF-8.
    pub(super) fn new(bytes: &'a [u8]) -> Result<Self> {
        if let Ok(text) = simdutf8::basic::from_utf8(bytes) {
            return Ok(Self { text, pos: 0 });
        }
        let offset = std::str::from_utf8(bytes).map_or_else(|e| e.valid_up_to(), str::len);
        Err(TranscodeError::new(Problem::Utf8, offset))
    }

    pub(super) fn length(&self) -> usize {
        self.text.len()
    }

    pub(super) fn offset(&self) -> usize {
        self.pos
    }

    /// Goes back to an offset at which this reader was.
    pub(super) fn rewind(&mut self, offset: usize) {
        self.pos = offset;
    }

    #[inline]
    fn byte(&self) -> Option<u8> {
        self.text.as_bytes().get(self.pos).copied()
    }

    /// The first byte after blanks; 0, which begins nothing, at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        loop {
            match self.byte() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.pos += 1,
                Some(byte) => return byte,
                None => return 0,
            }
        }
    }

    #[cold]
    fn syntax(&self, expected: &'static str) -> TranscodeError {
        TranscodeError::new(Problem::Syntax { expected }, self.pos)
    }

    /// The error for a value of another JSON type than `expected`, or for none.
    #[cold]
    pub(super) fn other_type(&mut self, expected: &'static str) -> TranscodeError {
        let found = match self.peek() {
            b'{' => "an object",
            b'[' => "an array",
            b'"' => "a string",
            b't' | b'f' => "a boolean",
            b'n' => "null",
            b'-' | b'0'..=b'9' => "a number",
            _ => return self.syntax("a value"),
        };
        TranscodeError::new(Problem::Type { expected, found }, self.pos)
    }

    /// Reads blanks to the end of the text.
    pub(super) fn end(&mut self) -> Result<()> {
        self.peek();
        if self.pos == self.text.len() {
            return Ok(());
        }
        Err(TranscodeError::new(Problem::TrailingText, self.pos))
    }

    #[inline]
    pub(super) fn begin_object(&mut self, expected: &'static str) -> Result<()> {
        if self.peek() != b'{' {
            return Err(self.other_type(expected));
        }
        self.pos += 1;
        Ok(())
    }

    #[inline]
    pub(super) fn begin_array(&mut self, expected: &'static str) -> Result<()> {
        if self.peek() != b'[' {
            return Err(self.other_type(expected));
        }
        self.pos += 1;
        Ok(())
    }

    /// Goes to the next key of an object; false at its end. `first` is true for the first call.
    #[inline]
    pub(super) fn member(&mut self, first: &mut bool) -> Result<bool> {
        match self.peek() {
            b'}' => {
                self.pos += 1;
                return Ok(false);
            }
            b',' if !*first => {
                self.pos += 1;
                self.peek();
            }
            _ if *first => {}
            _ => return Err(self.syntax("',' or '}'")),
        }
        *first = false;
        if self.byte() != Some(b'"') {
            return Err(self.syntax("a key in double quotes"));
        }
        Ok(true)
    }

    /// Reads a key and its colon if they are written as `key`; else returns false without moving.
    #[inline]
    pub(super) fn take_key(&mut self, key: &ShortText) -> bool {
        let found = key.begins(&self.text.as_bytes()[self.pos..]);
        self.pos += if found { key.len() } else { 0 };
        found
    }

    /// Reads the key to which [`member`](Self::member) went, and its colon.
    #[inline]
    pub(super) fn member_key(&mut self) -> Result<Cow<'a, str>> {
        let key = self.string("a key")?;
        if self.peek() != b':' {
            return Err(self.syntax("':'"));
        }
        self.pos += 1;
        Ok(key)
    }

    /// Reads the next key of an object and its colon; `None` at the end of the object.
    #[inline]
    pub(super) fn key(&mut self, first: &mut bool) -> Result<Option<Cow<'a, str>>> {
        if self.member(first)? { self.member_key().map(Some) } else { Ok(None) }
    }

    /// Goes to the next element of an array; false at its end. `first` is true for the first call.
    #[inline]
    pub(super) fn element(&mut self, first: &mut bool) -> Result<bool> {
        match self.peek() {
            b']' if *first => {
                self.pos += 1;
                Ok(false)
            }
            _ if *first => {
                *first = false;
                Ok(true)
            }
            b',' => {
                self.pos += 1;
                Ok(true)
            }
            b']' => {
                self.pos += 1;
                Ok(false)
            }
            _ => Err(self.syntax("',' or ']'")),
        }
    }

    /// Reads `null`.
    pub(super) fn null(&mut self) -> Result<()> {
        self.word("null")
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self) -> Result<bool> {
        match self.peek() {
            b't' => self.word("true").map(|()| true),
            b'f' => self.word("false").map(|()| false),
            _ => Err(self.other_type("true or false")),
        }
    }

    fn word(&mut self, word: &'static str) -> Result<()> {
        self.peek();
        if !self.text.as_bytes()[self.pos..].starts_with(word.as_bytes()) {
            return Err(self.syntax(word));
        }
        self.pos += word.len();
        Ok(())
    }

    /// Reads a number and returns its text.
    pub(super) fn number(&mut self) -> Result<&'a str> {
        self.peek();
        let start = self.pos;
        match number::number_length(&self.text.as_bytes()[start..]) {
            Some(length) => {
                self.pos += length;
                Ok(&self.text[start..self.pos])
            }
            None => Err(self.syntax("a number")),
        }
    }

    /// Reads a number with few digits and without an exponent, in quotation marks or not; `None`,
    /// without moving, if something else comes.
    #[inline]
    pub(super) fn decimal(&mut self) -> Option<Decimal> {
        let quoted = self.peek() == b'"';
        let start = self.pos + usize::from(quoted);
        let decimal = Decimal::read(&self.text.as_bytes()[start..])?;
        let end = start + decimal.length;
        if quoted && self.text.as_bytes().get(end) != Some(&b'"') {
            return None;
        }
        self.pos = end + usize::from(quoted);
        Some(decimal)
    }

    /// Reads a string without escapes; `None`, without moving, if it has some.
    #[inline]
    pub(super) fn plain_string(&mut self, expected: &'static str) -> Result<Option<&'a str>> {
        if self.peek() != b'"' {
            return Err(self.other_type(expected));
        }
        let start = self.pos + 1;
        let end = start + plain_length(&self.text.as_bytes()[start..]);
        if self.text.as_bytes().get(end) != Some(&b'"') {
            return Ok(None);
        }
        self.pos = end + 1;
        Ok(Some(&self.text[start..end]))
    }

    /// Reads a string.
    #[inline]
    pub(super) fn string(&mut self, expected: &'static str) -> Result<Cow<'a, str>> {
        if let Some(text) = self.plain_string(expected)? {
            return Ok(Cow::Borrowed(text));
        }
        let start = self.pos + 1;
        let mut decoded = Vec::new();
        self.string_into(&mut decoded)?;
        match String::from_utf8(decoded) {
            Ok(decoded) => Ok(Cow::Owned(decoded)),
            // Pieces of UTF-8 and whole characters are UTF-8.
            Err(_) => Err(TranscodeError::new(Problem::Utf8, start)),
        }
    }

    /// Reads the string that comes, without the escapes, to the end of `out`.
    #[inline]
    pub(super) fn string_into(&mut self, out: &mut Vec<u8>) -> Result<()> {
        if self.peek() != b'"' {
            return Err(self.other_type("a string"));
        }
        self.pos += 1;
        loop {
            let rest = &self.text.as_bytes()[self.pos..];
            let length = plain_length(rest);
            out.extend_from_slice(&rest[..length]);
            self.pos += length;
            match self.byte() {
                Some(b'"') => {
                    self.pos += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    self.pos += 1;
                    let char = self.escape()?;
                    out.extend_from_slice(char.encode_utf8(&mut [0; 4]).as_bytes());
                }
                Some(_) => return Err(self.syntax("no raw control character in a string")),
                None => return Err(self.syntax("the end of a string")),
            }
        }
    }

    /// Reads an escape after its backslash.
    fn escape(&mut self) -> Result<char> {
        let char = match self.byte() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.pos += 1;
                return self.unicode_escape();
            }
            _ => return Err(self.syntax("an escape sequence of JSON")),
        };
        self.pos += 1;
        Ok(char)
    }

    fn unicode_escape(&mut self) -> Result<char> {
        let first = self.hex()?;
        let code = match first {
            0xd800..0xdc00 => {
                if !self.text.as_bytes()[self.pos..].starts_with(b"\\u") {
                    return Err(self.syntax("the second half of a surrogate pair"));
                }
                self.pos += 2;
                let second = self.hex()?;
                if !(0xdc00..0xe000).contains(&second) {
                    return Err(self.syntax("the second half of a surrogate pair"));
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            code => code,
        };
        char::from_u32(code).ok_or_else(|| self.syntax("the first half of a surrogate pair"))
    }

    fn hex(&mut self) -> Result<u32> {
        let mut value = 0;
        for _ in 0..4 {
            let digit = self.byte().and_then(|byte| char::from(byte).to_digit(16));
            let Some(digit) = digit else {
                return Err(self.syntax("four hexadecimal digits"));
            };
            value = value << 4 | digit;
            self.pos += 1;
        }
        Ok(value)
    }

    /// Reads a value of any type, nested at most `levels` deep.
    pub(super) fn skip(&mut self, levels: u32, limit: u32) -> Result<()> {
        match self.peek() {
            b'{' | b'[' if levels == 0 => {
                Err(TranscodeError::new(Problem::TooDeep { limit }, self.pos))
            }
            b'{' => {
                self.pos += 1;
                let mut first = true;
                while self.key(&mut first)?.is_some() {
                    self.skip(levels - 1, limit)?;
                }
                Ok(())
            }
            b'[' => {
                self.pos += 1;
                let mut first = true;
                while self.element(&mut first)? {
                    self.skip(levels - 1, limit)?;
                }
                Ok(())
            }
            b'"' => self.string("a string").map(drop),
            b't' | b'f' => self.boolean().map(drop),
            b'n' => self.null(),
            b'-' | b'0'..=b'9' => self.number().map(drop),
            _ => Err(self.syntax("a value")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(text: &str) -> bool {
        let mut reader = JsonReader::new(text.as_bytes()).unwrap();
        reader.skip(100, 100).and_then(|()| reader.end()).is_ok()
    }

    #[test]
    fn the_grammar_is_that_of_rfc_8259() {
        for text in [
            "null",
            " [ ] ",
            "{}",
            "[1, 2]",
            "{\"a\":{\"b\":[true,false]}}",
            "\"\\u00e9\\n\"",
            "\"\\ud83d\\ude00\"",
            "-0.5e-3",
            "\r\n\t 1",
            "\"\u{7f}é\u{2028}\"",
        ] {
            assert!(accepts(text), "{text}");
        }
        for text in [
            "",
            " ",
            "nul",
            "truex",
            "[1,]",
            "[,1]",
            "[1 2]",
            "{,}",
            "{\"a\":1,}",
            "{\"a\"}",
            "{\"a\" 1}",
            "{a:1}",
            "{'a':1}",
            "'a'",
            "\"a",
            "\"\\x\"",
            "\"\\u12\"",
            "\"\\u12g4\"",
            "\"\\ud83d\"",
            "\"\\ude00\"",
            "\"\\ud83d\\u0041\"",
            "\"a\nb\"",
            "\"a\tb\"",
            "01",
            "+1",
            ".5",
            "1.",
            "NaN",
            "Infinity",
            "-",
            "1e",
            "/*c*/1",
            "1//c",
            "[1",
            "{\"a\":1",
            "[1]]",
            "{} x",
            "\u{feff}1",
            "1\u{a0}",
            "{\"a\":1 \"b\":2}",
            "\"\\",
            "tru",
            "[}",
        ] {
            assert!(!accepts(text), "{text}");
        }
    }

    #[test]
    fn strings_are_decoded() {
        let text = r#""a\"\\\/\b\f\n\r\t\u0041\uD83D\uDE00é longer than eight bytes""#;
        let mut reader = JsonReader::new(text.as_bytes()).unwrap();
        let string = reader.string("a string").unwrap();
        assert_eq!(string, "a\"\\/\u{8}\u{c}\n\r\tA😀é longer than eight bytes");
    }

    #[test]
    fn bytes_that_are_not_utf8_are_refused_with_their_offset() {
        let error = JsonReader::new(b"\"ab\xff\"").unwrap_err();
        assert_eq!((error.problem(), error.offset()), (Problem::Utf8, Some(3)));
    }

    #[test]
    fn values_are_skipped_to_the_limit_and_not_deeper() {
        let nested = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert!(accepts(&nested(100)));
        assert!(!accepts(&nested(101)));
        assert!(!accepts(&nested(1_000_000)));
    }
}
