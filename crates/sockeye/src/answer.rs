//! Responses written without an HTTP library, as RFC 9110 requires them of an HTTP server.

use std::time::{SystemTime, UNIX_EPOCH};

use http::HeaderValue;
use http::header::DATE;
use sockeye_proto::handshake::{HandshakeError, Refusal};

/// Encodes the response to a request that broke a rule or was refused.
pub(crate) fn encode(error: &HandshakeError, out: &mut Vec<u8>) {
    let refusal = dated(error.into());
    match error {
        //= https://www.rfc-editor.org/rfc/rfc9110#section-9.3.2
        //# The HEAD method is identical to GET except that the server MUST NOT
        //# send content in the response.
        HandshakeError::Method { method } if method == "HEAD" => refusal.encode_head(out),
        _ => refusal.encode(out),
    }
}

/// Encodes a refusal, regardless of the request.
pub(crate) fn encode_refusal(refusal: Refusal, out: &mut Vec<u8>) {
    dated(refusal).encode(out);
}

/// Adds a Date header if there is none.
//= https://www.rfc-editor.org/rfc/rfc9110#section-6.6.1
//# An origin server with a clock (as defined in Section 5.6.7) MUST
//# generate a Date header field in all 2xx (Successful), 3xx
//# (Redirection), and 4xx (Client Error) responses, and MAY generate a
//# Date header field in 1xx (Informational) and 5xx (Server Error)
//# responses.
fn dated(refusal: Refusal) -> Refusal {
    if refusal.headers().contains_key(DATE) {
        return refusal;
    }
    // A clock before 1970 was never set: its date would be wrong.
    let Ok(time) = SystemTime::now().duration_since(UNIX_EPOCH) else { return refusal };
    match HeaderValue::try_from(format(time.as_secs())) {
        Ok(date) => refusal.header(DATE, date),
        Err(_) => refusal,
    }
}

/// Formats a time in seconds since 1970 as an IMF-fixdate.
fn format(seconds: u64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] =
        ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let weekday = DAYS[(days % 7) as usize];
    // In years that begin in March, the leap day is the last day. Day 0 is the 1st of March of the
    // year 0; an era is the 400 years after which the calendar repeats.
    let shifted = days + 719_468;
    let (era, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let name = MONTHS[((month + 2) % 12) as usize];
    let year = era * 400 + year + u64::from(month >= 10);
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    format!("{weekday}, {day:02} {name} {year:04} {hour:02}:{minute:02}:{second:02} GMT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_799, "Tue, 29 Feb 2000 23:59:59 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_735_689_599, "Tue, 31 Dec 2024 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
        ] {
            assert_eq!(format(seconds), date, "{seconds}");
        }
    }

    #[test]
    fn the_answer_to_head_has_no_content() {
        for (method, has_content) in [("HEAD", false), ("POST", true)] {
            let mut answer = Vec::new();
            encode(&HandshakeError::Method { method: method.into() }, &mut answer);
            let answer = String::from_utf8(answer).unwrap();
            assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
            assert_eq!(!answer.ends_with("\r\n\r\n"), has_content, "{answer}");
        }
    }

    #[test]
    fn a_refusal_is_dated_once() {
        let refusal = dated(dated(Refusal::forbidden("no")));
        assert_eq!(refusal.headers().get_all(DATE).iter().count(), 1);
    }
}
