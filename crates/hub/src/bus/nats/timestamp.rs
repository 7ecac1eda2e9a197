/// Parses a time of the broker, such as `2026-01-02T03:04:05.678Z`, into nanoseconds since 1970.
/// Returns `None` for other texts, and for times that the result cannot hold.
pub(super) fn parse(text: &str) -> Option<u64> {
    let text = text.strip_suffix('Z')?;
    let (date, time) = text.split_once('T')?;
    let mut date = date.splitn(3, '-').map(digits);
    let (year, month, day) = (date.next()??, date.next()??, date.next()??);
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let mut time = time.splitn(3, ':').map(digits);
    let (hour, minute, second) = (time.next()??, time.next()??, time.next()??);
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    if hour > 23 || minute > 59 || second > 60 || fraction.len() > 9 {
        return None;
    }
    let nanoseconds = digits(fraction)? * 10_u64.pow(9 - u32::try_from(fraction.len()).ok()?);
    let seconds = days(year, month, day)? * 86_400 + hour * 3_600 + minute * 60 + second;
    seconds.checked_mul(1_000_000_000)?.checked_add(nanoseconds)
}

/// Returns the days from 1970 to a date of the Gregorian calendar.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    // Years that begin in March: the leap day is the last of its year.
    let (year, month) =
        if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1;
    // From the first of March of year 0 to the first of January 1970.
    days.checked_sub(719_468)
}

fn digits(text: &str) -> Option<u64> {
    let valid = (1..=9).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    if valid { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_nanoseconds_since_1970() {
        assert_eq!(parse("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(parse("1970-01-01T00:00:01.5Z"), Some(1_500_000_000));
        assert_eq!(parse("2000-02-29T12:00:00Z"), Some(951_825_600_000_000_000));
        assert_eq!(parse("2026-11-27T13:50:41.000000001Z"), Some(1_795_787_441_000_000_001));
    }

    #[test]
    fn other_texts_are_refused() {
        let texts = [
            "",
            "Z",
            "1970-01-01",
            "1970-01-01T00:00:00",
            "1970-01-01T00:00:00+01:00",
            "1970-13-01T00:00:00Z",
            "1970-01-00T00:00:00Z",
            "1969-12-31T00:00:00Z",
            "1970-01-01T24:00:00Z",
            "1970-01-01T00:00:00.0000000001Z",
            "1970-01-01T00:00:00.Z",
            "999999999-01-01T00:00:00Z",
            "0000-01-01T00:00:00Z",
        ];
        for text in texts {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
