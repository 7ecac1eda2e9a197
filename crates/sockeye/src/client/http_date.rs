//! Time differences between HTTP dates (RFC 9110 section 5.6.7).

use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// Reference year for two-digit years where no other date is known: all HTTP dates are from 1990 or
/// later.
const EPOCH: u64 = 1990;

/// Returns the time from the date `from` to the date `to`: zero if `to` is earlier, `None` if
/// either is not in one of the three formats that RFC 9110 requires to be accepted. `from` decides
/// the century of a two-digit year in `to`.
pub(super) fn duration_between(from: &str, to: &str) -> Option<Duration> {
    let (from, year) = seconds(from, EPOCH)?;
    let (to, _) = seconds(to, year)?;
    Some(Duration::from_secs(to.saturating_sub(from)))
}

/// Returns the seconds of a date since the year 0, and its year. The name of the day is ignored.
fn seconds(date: &str, near: u64) -> Option<(u64, u64)> {
    let (day, month, year, time) = match date.trim().split_once(", ") {
        Some((_, date)) => date_before_time(date.strip_suffix(" GMT")?, near)?,
        None => date_around_time(date)?,
    };
    let (day, month) = (number(day, 1..=31)?, self::month(month)?);
    Some((days(year, month, day) * DAY + time_of_day(time)?, year))
}

/// Splits an IMF-fixdate, `06 Nov 1994 08:49:37`, or an rfc850-date, `06-Nov-94 08:49:37`, into
/// day, month, year and time.
fn date_before_time(date: &str, near: u64) -> Option<(&str, &str, u64, &str)> {
    let (date, time) = date.rsplit_once(' ')?;
    if let Some((day, date)) = date.split_once('-') {
        let (month, year) = date.split_once('-')?;
        let digits = number(year, 0..=99).filter(|_| year.len() == 2)?;
        return Some((day, month, century(digits, near), time));
    }
    let (day, date) = date.split_once(' ')?;
    let (month, year) = date.split_once(' ')?;
    Some((day, month, number(year, 1..=9999)?, time))
}

/// Splits an asctime-date, `Sun Nov  6 08:49:37 1994`, into day, month, year and time.
fn date_around_time(date: &str) -> Option<(&str, &str, u64, &str)> {
    let mut words = date.split_ascii_whitespace().skip(1);
    let (month, day, time, year) = (words.next()?, words.next()?, words.next()?, words.next()?);
    if words.next().is_some() {
        return None;
    }
    Some((day, month, number(year, 1..=9999)?, time))
}

fn time_of_day(time: &str) -> Option<u64> {
    let mut time = time.split(':');
    let hour = number(time.next()?, 0..=23)?;
    let minute = number(time.next()?, 0..=59)?;
    // 60 is a leap second.
    let second = number(time.next()?, 0..=60)?;
    time.next().is_none().then_some(hour * 3600 + minute * 60 + second)
}

/// Returns the year with these last two digits that is closest to `near` by the rule of RFC 9110.
fn century(digits: u64, near: u64) -> u64 {
    //= https://www.rfc-editor.org/rfc/rfc9110#section-5.6.7
    //# Recipients of a timestamp value in rfc850-date format, which uses a
    //# two-digit year, MUST interpret a timestamp that appears to be more
    //# than 50 years in the future as representing the most recent year in
    //# the past that had the same last two digits.
    let earliest = near.saturating_sub(49);
    earliest + (digits + 100 - earliest % 100) % 100
}

fn number(digits: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    // `parse` would accept a sign.
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    range.contains(&number).then_some(number)
}

/// Returns the index of the month, counted from March: the leap day is then the last of the year.
fn month(name: &str) -> Option<u64> {
    let months =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let at = months.iter().position(|month| *month == name)?;
    u64::try_from(at).ok()
}

/// Returns the days since a 1st of March before all dates.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    // January and February belong to the previous year.
    let year = if month >= 10 { year - 1 } else { year };
    let leap_days = year / 4 - year / 100 + year / 400;
    // The months from March on have 31, 30, 31, 30, 31 days, repeatedly: 153 in five.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(from: &str, to: &str) -> Option<u64> {
        duration_between(&format!("Mon, {from} GMT"), &format!("Tue, {to} GMT"))
            .map(|time| time.as_secs())
    }

    #[test]
    fn dates_are_as_far_apart_as_they_are() {
        for (from, to, expected) in [
            ("06 Nov 1994 08:49:37", "06 Nov 1994 08:49:38", 1),
            ("31 Dec 1999 23:59:59", "01 Jan 2000 00:00:00", 1),
            ("28 Feb 2000 00:00:00", "01 Mar 2000 00:00:00", 2 * DAY),
            ("28 Feb 2100 00:00:00", "01 Mar 2100 00:00:00", DAY),
            ("28 Feb 2024 12:00:00", "01 Mar 2024 11:00:00", 2 * DAY - 3600),
            ("30 Jun 2012 23:59:60", "01 Jul 2012 00:00:01", 1),
            ("01 Jan 1970 00:00:00", "06 Nov 1994 08:49:37", 784_111_777),
            ("06 Nov 1994 08:49:37", "01 Jan 1970 00:00:00", 0),
        ] {
            assert_eq!(apart(from, to), Some(expected), "{from} {to}");
        }
    }

    #[test]
    fn each_of_the_three_formats_is_read() {
        let date = "Sun, 06 Nov 1994 08:49:37 GMT";
        for same in ["Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"] {
            assert_eq!(duration_between(date, same), Some(Duration::ZERO), "{same}");
            assert_eq!(duration_between(same, date), Some(Duration::ZERO), "{same}");
            assert_eq!(duration_between(same, same), Some(Duration::ZERO), "{same}");
        }
        let later = duration_between(date, "Sun Nov 16 08:49:38 1994");
        assert_eq!(later, Some(Duration::from_secs(10 * DAY + 1)));
    }

    #[test]
    fn a_year_of_two_digits_is_at_most_fifty_years_ahead() {
        for (digits, near, year) in
            [(94, 1994, 1994), (1, 1999, 2001), (76, 2026, 2076), (77, 2026, 1977), (0, 2026, 2000)]
        {
            assert_eq!(century(digits, near), year, "{digits} {near}");
        }
    }

    #[test]
    fn each_month_has_its_days() {
        let starts: Vec<_> = (0..12).map(|month| days(2001, month, 1)).collect();
        let lengths: Vec<_> = starts[..10].windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(lengths, [31, 30, 31, 30, 31, 31, 30, 31, 30]);
        assert_eq!(starts[11] - starts[10], 31);
        assert_eq!(starts[0] - starts[11], 28);
        assert_eq!(days(2002, 10, 1) - starts[9], 31);
    }

    #[test]
    fn what_is_no_date_is_none() {
        let good = "06 Nov 1994 08:49:37";
        for bad in [
            "",
            "06 Nov 1994",
            "32 Nov 1994 08:49:37",
            "00 Nov 1994 08:49:37",
            "06 nov 1994 08:49:37",
            "06 Nov 0 08:49:37",
            "06 Nov 10000 08:49:37",
            "06 Nov 1994 24:00:00",
            "06 Nov 1994 08:60:37",
            "06 Nov 1994 08:49:61",
            "06 Nov 1994 08:49",
            "06 Nov 1994 08:49:37:00",
            "+6 Nov 1994 08:49:37",
            "06 Nov 1994 08:49:37 GMT",
        ] {
            assert_eq!(apart(good, bad), None, "{bad}");
            assert_eq!(apart(bad, good), None, "{bad}");
        }
        assert_eq!(duration_between("x", "y"), None);
        for bad in
            ["Sun Nov 6 08:49:37 1994 GMT", "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun Nov 6 1994"]
        {
            assert_eq!(duration_between(bad, bad), None, "{bad}");
        }
    }
}
