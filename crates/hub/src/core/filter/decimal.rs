use std::cmp::Ordering;
use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// A decimal number of any length, compared exactly: identifiers beyond 2^53 and amounts of money
/// are not rounded.
///
/// The text of a number is an optional sign, one or more digits, and optionally a point and one or
/// more digits. There are no exponents.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Decimal {
    negative: bool,
    integer: Box<str>,
    fraction: Box<str>,
}

/// The parts of a decimal number, without zeros that do not count. Zero has no digits and is not
/// negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Parts<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
}

impl Decimal {
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts { negative: self.negative, integer: &self.integer, fraction: &self.fraction }
    }

    /// Returns the number of digits that are kept.
    pub(super) fn len(&self) -> usize {
        self.integer.len() + self.fraction.len()
    }
}

impl<'a> Parts<'a> {
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let (negative, digits) = match text.as_bytes().first()? {
            b'-' => (true, &text[1..]),
            b'+' => (false, &text[1..]),
            _ => (false, text),
        };
        let (integer, fraction) = match digits.split_once('.') {
            Some((_, "")) => return None,
            Some(parts) => parts,
            None => (digits, ""),
        };
        let mut digits = integer.bytes().chain(fraction.bytes());
        if integer.is_empty() || !digits.all(|digit| digit.is_ascii_digit()) {
            return None;
        }
        let (integer, fraction) = (integer.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let is_zero = integer.is_empty() && fraction.is_empty();
        Some(Self { negative: negative && !is_zero, integer, fraction })
    }

    fn compare_magnitude(&self, other: &Self) -> Ordering {
        let integers = self.integer.len().cmp(&other.integer.len());
        integers.then(self.integer.cmp(other.integer)).then(self.fraction.cmp(other.fraction))
    }
}

impl Ord for Parts<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.compare_magnitude(other),
            (true, true) => other.compare_magnitude(self),
            (true, false) => Ordering::Less,
            (false, true) => Ordering::Greater,
        }
    }
}

impl PartialOrd for Parts<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        self.parts().cmp(&other.parts())
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl FromStr for Decimal {
    type Err = ParseDecimalError;

    fn from_str(text: &str) -> Result<Self, ParseDecimalError> {
        let Parts { negative, integer, fraction } = Parts::parse(text).ok_or(ParseDecimalError)?;
        Ok(Self { negative, integer: integer.into(), fraction: fraction.into() })
    }
}

impl From<i64> for Decimal {
    fn from(number: i64) -> Self {
        let magnitude = Self::from(number.unsigned_abs());
        Self { negative: number < 0, ..magnitude }
    }
}

impl From<u64> for Decimal {
    fn from(number: u64) -> Self {
        let integer = if number == 0 { "".into() } else { number.to_string().into() };
        Self { negative: false, integer, fraction: "".into() }
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        let integer = if self.integer.is_empty() { "0" } else { &*self.integer };
        let point = if self.fraction.is_empty() { "" } else { "." };
        write!(f, "{sign}{integer}{point}{}", self.fraction)
    }
}

impl fmt::Debug for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A text is not a decimal number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseDecimalError;

impl fmt::Display for ParseDecimalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected a decimal number such as -12.5")
    }
}

impl Error for ParseDecimalError {}
