//! The timeout of a call, from its request.

use std::time::Duration;

use http::HeaderMap;

/// Header of the gRPC protocol over HTTP/2, section "Requests".
const GRPC_TIMEOUT: &str = "grpc-timeout";

/// Maximum number of digits, by the same section.
const MAX_DIGITS: usize = 8;

/// Returns the timeout of a request. `None` if there is none, or if it is malformed, which the
/// server has to refuse.
pub(crate) fn requested_timeout(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    if digits.is_empty() || digits.len() > MAX_DIGITS || !digits.bytes().all(|b| b.is_ascii_digit())
    {
        return None;
    }
    let value = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_secs(value * 3600)),
        "M" => Some(Duration::from_secs(value * 60)),
        "S" => Some(Duration::from_secs(value)),
        "m" => Some(Duration::from_millis(value)),
        "u" => Some(Duration::from_micros(value)),
        "n" => Some(Duration::from_nanos(value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn read(text: &str) -> Option<Duration> {
        requested_timeout(&HeaderMap::from_iter([(
            http::HeaderName::from_static(GRPC_TIMEOUT),
            HeaderValue::from_str(text).unwrap(),
        )]))
    }

    #[test]
    fn each_unit_is_read() {
        assert_eq!(read("99999999H"), Some(Duration::from_secs(99_999_999 * 3600)));
        assert_eq!(read("2M"), Some(Duration::from_secs(120)));
        assert_eq!(read("3S"), Some(Duration::from_secs(3)));
        assert_eq!(read("4m"), Some(Duration::from_millis(4)));
        assert_eq!(read("5u"), Some(Duration::from_micros(5)));
        assert_eq!(read("0n"), Some(Duration::ZERO));
    }

    #[test]
    fn what_is_no_time_limit_is_none() {
        for text in ["", "1", "S", "+1S", "-1S", "1s", "123456789S", "1 S", "1.5S"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert_eq!(requested_timeout(&HeaderMap::new()), None);
    }
}
