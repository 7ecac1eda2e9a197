//! The content of messages: the same bytes in every run.

use crate::names::impl_names;

/// The kind of content that messages have, which also decides between text and binary.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PayloadKind {
    /// Binary messages of pseudo-random bytes.
    #[default]
    Binary,
    /// Text messages of ASCII letters and digits.
    Ascii,
    /// Text messages that mix UTF-8 sequences of one to four bytes.
    Utf8,
    /// Text messages such as a service sends; deflate reduces them to about a third at 1 KiB.
    Json,
}

impl_names!(PayloadKind {
    Binary => "binary",
    Ascii => "ascii",
    Utf8 => "utf8",
    Json => "json",
});

impl PayloadKind {
    /// Returns the opcode of such messages (RFC 6455 section 5.2).
    pub(crate) const fn op_code(self) -> u8 {
        match self {
            Self::Binary => 0x2,
            Self::Ascii | Self::Utf8 | Self::Json => 0x1,
        }
    }
}

/// An xorshift generator.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed ^ 0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    /// Returns a number below `bound`.
    fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 16) % bound
    }

    #[expect(clippy::cast_possible_truncation, reason = "below the number of choices")]
    fn pick<'a>(&mut self, choices: &[&'a str]) -> &'a str {
        choices[self.below(choices.len() as u64) as usize]
    }

    /// Returns a message of exactly `length` bytes.
    pub(crate) fn payload(&mut self, kind: PayloadKind, length: usize) -> Vec<u8> {
        const ASCII: [&str; 8] = ["0", "7", "a", "k", "q", "E", "R", " "];
        const MIXED: [&str; 8] = ["a", "7", "é", "ß", "鮭", "海", "🐟", "🌊"];
        let mut bytes = Vec::with_capacity(length + 128);
        while bytes.len() < length {
            let rest = length - bytes.len();
            match kind {
                PayloadKind::Binary => bytes.extend_from_slice(&self.next().to_le_bytes()),
                PayloadKind::Utf8 if rest >= 4 => {
                    bytes.extend_from_slice(self.pick(&MIXED).as_bytes());
                }
                PayloadKind::Ascii | PayloadKind::Utf8 => {
                    bytes.extend_from_slice(self.pick(&ASCII).as_bytes());
                }
                PayloadKind::Json => bytes.extend_from_slice(self.record().as_bytes()),
            }
        }
        bytes.truncate(length);
        bytes
    }

    /// Returns a line of text about a fish, with numbers that do not repeat.
    fn record(&mut self) -> String {
        const NAMES: [&str; 8] =
            ["sockeye", "chinook", "coho", "chum", "pink", "steelhead", "char", "trout"];
        const PLACES: [&str; 6] = ["Adams River", "Fraser", "Skeena", "Babine", "Nass", "Bristol"];
        format!(
            "{{\"id\":{},\"kind\":\"{}\",\"place\":\"{}\",\"weight\":{}.{:03},\"tags\":[\"{}\"]}}\n",
            self.below(10_000_000),
            self.pick(&NAMES),
            self.pick(&PLACES),
            self.below(10),
            self.below(1000),
            self.pick(&NAMES),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_payloads_are_valid_utf8_of_the_exact_length() {
        for length in 0..300 {
            for kind in [PayloadKind::Ascii, PayloadKind::Utf8, PayloadKind::Json] {
                let message = Random::new(7).payload(kind, length);
                assert_eq!(message.len(), length);
                assert!(std::str::from_utf8(&message).is_ok());
            }
        }
    }
}
