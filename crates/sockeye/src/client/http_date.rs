//! Dates of HTTP, as far apart as they are (RFC 9110 section 5.6.7).

use std::time::Duration;

const DAY: u64 = 24 * 60 * 60;

/// How long after `from` the date `to` is: nothing where it is before, `None` where either is no date of the format that
/// RFC 9110 prefers. The two older formats are not read: no server of today sends them.
pub(super) fn between(from: &str, to: &str) -> Option<Duration> {
    Some(Duration::from_secs(seconds(to)?.saturating_sub(seconds(from)?)))
}

/// The seconds of an IMF-fixdate, such as `Sun, 06 Nov 1994 08:49:37 GMT`, since the year 0. The name of the day is not
/// looked at.
fn seconds(date: &str) -> Option<u64> {
    let (_, date) = date.trim().split_once(", ")?;
    let mut parts = date.split(' ');
    let day = number(parts.next()?, 1..=31)?;
    let month = month(parts.next()?)?;
    let year = number(parts.next()?, 1..=9999)?;
    let mut time = parts.next()?.split(':');
    let hour = number(time.next()?, 0..=23)?;
    let minute = number(time.next()?, 0..=59)?;
    // 60 is a leap second.
    let second = number(time.next()?, 0..=60)?;
    if parts.next() != Some("GMT") || parts.next().is_some() || time.next().is_some() {
        return None;
    }
    Some(days(year, month, day) * DAY + hour * 3600 + minute * 60 + second)
}

fn number(digits: &str, range: std::ops::RangeInclusive<u64>) -> Option<u64> {
    // `parse` would take a sign.
    let number =
        digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())??;
    range.contains(&number).then_some(number)
}

/// The months, from March on: so that the day that some years have more is the last of the year.
fn month(name: &str) -> Option<u64> {
    let months =
        ["Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Jan", "Feb"];
    let at = months.iter().position(|month| *month == name)?;
    u64::try_from(at).ok()
}

/// The days since a 1st of March before all dates.
const fn days(year: u64, month: u64, day: u64) -> u64 {
    // January and February belong to the year before.
    let year = if month >= 10 { year - 1 } else { year };
    let leap_days = year / 4 - year / 100 + year / 400;
    // The months from March on are of 31, 30, 31, 30, 31 days, again and again: 153 in five.
    year * 365 + leap_days + (month * 153 + 2) / 5 + day
}

#[cfg(test)]
mod tests {
    use super::*;

    fn apart(from: &str, to: &str) -> Option<u64> {
        between(&format!("Mon, {from} GMT"), &format!("Tue, {to} GMT")).map(|time| time.as_secs())
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
            "06-Nov-94 08:49:37",
        ] {
            assert_eq!(apart(good, bad), None, "{bad}");
            assert_eq!(apart(bad, good), None, "{bad}");
        }
        assert_eq!(between("x", "y"), None);
        assert_eq!(between("Sun Nov  6 08:49:37 1994", "Sun Nov  6 08:49:37 1994"), None);
    }
}
