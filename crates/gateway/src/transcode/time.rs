use super::decimal::{put_signed, put_unsigned};

/// Seconds and nanoseconds of a `Timestamp` or a `Duration`.
pub(super) type Time = (i64, i32);

/// The years 1 to 9999.
const FIRST_SECOND: i64 = -62_135_596_800;
const LAST_SECOND: i64 = 253_402_300_799;
/// Ten thousand years, to which a fraction of a second may be added.
const MAX_DURATION: i64 = 315_576_000_000;

pub(super) const TIMESTAMP: &str =
    "a time such as \"2026-01-31T23:59:59.5Z\" from the year 1 to 9999";
pub(super) const DURATION: &str =
    "seconds such as \"1.5s\", of at most 10000 years, with at most nine digits of fraction";

/// Reads a time of RFC 3339, with an upper-case `T` and `Z` as protobuf demands.
pub(super) fn parse_timestamp(text: &str) -> Option<Time> {
    let bytes = text.as_bytes();
    let (clock, rest) = bytes.split_at_checked(19)?;
    let punctuation = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')];
    if punctuation.iter().any(|(at, byte)| clock[*at] != *byte) {
        return None;
    }
    let year = digits(&clock[..4])?;
    let (month, day) = (digits(&clock[5..7])?, digits(&clock[8..10])?);
    let (hour, minute) = (digits(&clock[11..13])?, digits(&clock[14..16])?);
    let second = digits(&clock[17..])?;
    if !(1..=12).contains(&month) || day < 1 || day > days_of_month(year, month) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanos, zone) = fraction(rest)?;
    let offset = match *zone {
        [b'Z'] => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] => {
            let (hours, minutes) = (digits(&[a, b])?, digits(&[c, d])?);
            if hours > 23 || minutes > 59 {
                return None;
            }
            let offset = hours * 3600 + minutes * 60;
            if sign == b'-' { -offset } else { offset }
        }
        _ => return None,
    };
    let days = days_before(year, month) + day - 1;
    let seconds = FIRST_SECOND + days * 86_400 + hour * 3600 + minute * 60 + second - offset;
    (FIRST_SECOND..=LAST_SECOND).contains(&seconds).then_some((seconds, nanos))
}

/// Appends a time of RFC 3339; false, with nothing appended, if it is out of range.
pub(super) fn put_timestamp((seconds, nanos): Time, out: &mut Vec<u8>) -> bool {
    let Ok(nanos) = u32::try_from(nanos) else { return false };
    if !(FIRST_SECOND..=LAST_SECOND).contains(&seconds) || nanos >= 1_000_000_000 {
        return false;
    }
    let since = seconds - FIRST_SECOND;
    let (days, second) = (since / 86_400, since % 86_400);
    // The year that these days reach if all had the mean length, which is right or one too late.
    let mut year = days * 400 / 146_097 + 1;
    while days_before(year, 1) > days {
        year -= 1;
    }
    while days_before(year + 1, 1) <= days {
        year += 1;
    }
    let mut month = 12;
    while days_before(year, month) > days {
        month -= 1;
    }
    let day = days - days_before(year, month) + 1;
    let mut pad = |value: i64, width: usize, after: &[u8]| {
        let mut digits = Vec::with_capacity(4);
        put_signed(&mut digits, value);
        out.extend(std::iter::repeat_n(b'0', width.saturating_sub(digits.len())));
        out.extend_from_slice(&digits);
        out.extend_from_slice(after);
    };
    pad(year, 4, b"-");
    pad(month, 2, b"-");
    pad(day, 2, b"T");
    pad(second / 3600, 2, b":");
    pad(second / 60 % 60, 2, b":");
    pad(second % 60, 2, b"");
    put_fraction(nanos, out);
    out.push(b'Z');
    true
}

/// Reads seconds with an `s`.
pub(super) fn parse_duration(text: &str) -> Option<Time> {
    let text = text.strip_suffix('s')?;
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let bytes = text.as_bytes();
    let whole = bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if whole == 0 || whole > 12 {
        return None;
    }
    let seconds = digits(&bytes[..whole])?;
    let (nanos, rest) = fraction(&bytes[whole..])?;
    if !rest.is_empty() || seconds > MAX_DURATION {
        return None;
    }
    Some(if negative { (-seconds, -nanos) } else { (seconds, nanos) })
}

/// Appends seconds with an `s`; false, with nothing appended, if they are out of range or their
/// signs differ.
pub(super) fn put_duration((seconds, nanos): Time, out: &mut Vec<u8>) -> bool {
    let in_range = (-MAX_DURATION..=MAX_DURATION).contains(&seconds)
        && (-999_999_999..=999_999_999).contains(&nanos)
        && (seconds == 0 || nanos == 0 || (seconds < 0) == (nanos < 0));
    if !in_range {
        return false;
    }
    if seconds < 0 || nanos < 0 {
        out.push(b'-');
    }
    put_unsigned(out, seconds.unsigned_abs());
    put_fraction(nanos.unsigned_abs(), out);
    out.push(b's');
    true
}

/// Appends nanoseconds as 0, 3, 6 or 9 digits.
fn put_fraction(nanos: u32, out: &mut Vec<u8>) {
    let digits = match nanos {
        0 => return,
        nanos if nanos % 1_000_000 == 0 => 3,
        nanos if nanos % 1000 == 0 => 6,
        _ => 9,
    };
    out.push(b'.');
    let mut unit = 100_000_000;
    for _ in 0..digits {
        out.push(b'0' + (nanos / unit % 10) as u8);
        unit /= 10;
    }
}

/// Reads an optional dot with one to nine digits as nanoseconds, and returns what follows.
fn fraction(bytes: &[u8]) -> Option<(i32, &[u8])> {
    let Some((b'.', rest)) = bytes.split_first() else { return Some((0, bytes)) };
    let count = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if count == 0 || count > 9 {
        return None;
    }
    let mut nanos = i32::try_from(digits(&rest[..count])?).ok()?;
    for _ in count..9 {
        nanos *= 10;
    }
    Some((nanos, &rest[count..]))
}

/// Reads at most 18 decimal digits.
fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |value, byte| {
        byte.is_ascii_digit().then(|| value * 10 + i64::from(byte - b'0'))
    })
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The days from the first of January of year 1 to the first of a month.
fn days_before(year: i64, month: i64) -> i64 {
    const DAYS: [i64; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];

    let years = year - 1;
    let leap_days = years.div_euclid(4) - years.div_euclid(100) + years.div_euclid(400);
    let in_year = usize::try_from(month - 1).ok().and_then(|month| DAYS.get(month));
    years * 365 + leap_days + in_year.unwrap_or(&0) + i64::from(month > 2 && is_leap(year))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(time: Time) -> Option<String> {
        let mut out = Vec::new();
        put_timestamp(time, &mut out).then(|| String::from_utf8(out).unwrap())
    }

    #[test]
    fn times_of_all_years_come_back() {
        // Of 37 days and a second: each day of the year, and each second of the day.
        for seconds in (FIRST_SECOND..=LAST_SECOND).step_by(37 * 86_400 + 1) {
            let text = printed((seconds, 0)).unwrap();
            assert_eq!(parse_timestamp(&text), Some((seconds, 0)), "{text}");
        }
    }

    #[test]
    fn well_known_moments_are_right() {
        assert_eq!(printed((0, 0)).unwrap(), "1970-01-01T00:00:00Z");
        assert_eq!(printed((951_782_400, 0)).unwrap(), "2000-02-29T00:00:00Z");
        assert_eq!(printed((4_107_542_400, 1)).unwrap(), "2100-03-01T00:00:00.000000001Z");
        assert_eq!(printed((-1, 500_000_000)).unwrap(), "1969-12-31T23:59:59.500Z");
        assert_eq!(printed((LAST_SECOND, 999_999_999)).unwrap(), "9999-12-31T23:59:59.999999999Z");
        assert_eq!(printed((LAST_SECOND + 1, 0)), None);
        assert_eq!(printed((FIRST_SECOND - 1, 0)), None);
        assert_eq!(printed((0, -1)), None);
        assert_eq!(printed((0, 1_000_000_000)), None);
        assert_eq!(parse_timestamp("1970-01-01T01:30:00+01:30"), Some((0, 0)));
        assert_eq!(parse_timestamp("1969-12-31T23:00:00.25-01:00"), Some((0, 250_000_000)));
    }

    #[test]
    fn malformed_times_are_refused() {
        for text in [
            "",
            "2026-01-01",
            "2026-01-01T00:00:00",
            "2026-01-01t00:00:00Z",
            "2026-01-01T00:00:00z",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:60:00Z",
            "2026-01-01T00:00:60Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00.1234567890Z",
            "2026-01-01T00:00:00+0100",
            "2026-01-01T00:00:00+24:00",
            "0000-12-31T23:59:59Z",
            "0001-01-01T00:00:00+00:01",
            "9999-12-31T23:59:59-00:01",
            "2026-01-01 00:00:00Z",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00ZZ",
            "é026-01-01T00:00:00Z",
        ] {
            assert_eq!(parse_timestamp(text), None, "{text}");
        }
    }

    #[test]
    fn durations_come_back_within_ten_thousand_years() {
        for (text, time) in [
            ("0s", (0, 0)),
            ("1.500s", (1, 500_000_000)),
            ("-0.500s", (0, -500_000_000)),
            ("-1.000001s", (-1, -1000)),
            ("0.000000001s", (0, 1)),
            ("315576000000s", (MAX_DURATION, 0)),
            ("-315576000000.999999999s", (-MAX_DURATION, -999_999_999)),
        ] {
            assert_eq!(parse_duration(text), Some(time), "{text}");
            let mut out = Vec::new();
            assert!(put_duration(time, &mut out));
            assert_eq!(String::from_utf8(out).unwrap(), text);
        }
        for text in [
            "",
            "s",
            "1",
            "1m",
            ".5s",
            "1.s",
            "--1s",
            "+1s",
            "315576000001s",
            "1.0000000001s",
            "1e3s",
        ] {
            assert_eq!(parse_duration(text), None, "{text}");
        }
        for time in [(1, -1), (-1, 1), (0, 1_000_000_000), (MAX_DURATION + 1, 0)] {
            assert!(!put_duration(time, &mut Vec::new()), "{time:?}");
        }
    }
}
