use std::time::Duration;

use http::HeaderMap;

use super::{TimeoutError, TimeoutFault, TimeoutForm};

impl TimeoutForm {
    /// Reads the timeout of a request. `None` if the header is missing.
    ///
    /// # Errors
    /// [`TimeoutError`] if the header is repeated, or its value does not have the form.
    pub fn from_headers(self, headers: &HeaderMap) -> Result<Option<Duration>, TimeoutError> {
        let mut values = headers.get_all(self.header_name()).iter();
        let Some(value) = values.next() else { return Ok(None) };
        if values.next().is_some() {
            return Err(self.error(TimeoutFault::Repeated));
        }
        let text = value.to_str().map_err(|_| self.error(TimeoutFault::Malformed))?;
        self.parse(text).map(Some)
    }

    /// Parses the value of the header.
    ///
    /// # Errors
    /// [`TimeoutError`] if the value does not have the form.
    pub fn parse(self, value: &str) -> Result<Duration, TimeoutError> {
        let timeout = match self {
            Self::Grpc => parse_grpc(value),
            Self::Connect => number(value, 10).map(Duration::from_millis),
            Self::Server => parse_seconds(value),
        };
        timeout.map_err(|fault| self.error(fault))
    }

    fn error(self, fault: TimeoutFault) -> TimeoutError {
        TimeoutError { form: self, fault }
    }
}

fn parse_grpc(value: &str) -> Result<Duration, TimeoutFault> {
    let unit = value.chars().next_back().ok_or(TimeoutFault::Malformed)?;
    let number = number(&value[..value.len() - unit.len_utf8()], 8)?;
    Ok(match unit {
        'H' => Duration::from_secs(number * 3600),
        'M' => Duration::from_secs(number * 60),
        'S' => Duration::from_secs(number),
        'm' => Duration::from_millis(number),
        'u' => Duration::from_micros(number),
        'n' => Duration::from_nanos(number),
        _ => return Err(TimeoutFault::Malformed),
    })
}

fn parse_seconds(value: &str) -> Result<Duration, TimeoutFault> {
    let (seconds, fraction) = match value.split_once('.') {
        Some((seconds, fraction)) => (seconds, Some(fraction)),
        None => (value, None),
    };
    let seconds = number(seconds, 10)?;
    let nanos = match fraction {
        // The digits of a fraction, filled up to nine, are nanoseconds.
        Some(digits) => number(digits, 9).and_then(|_| number(&format!("{digits:0<9}"), 9))?,
        None => 0,
    };
    Ok(Duration::from_secs(seconds) + Duration::from_nanos(nanos))
}

/// Parses a number of at most `max_digits` digits, which must fit 64 bits.
fn number(digits: &str, max_digits: usize) -> Result<u64, TimeoutFault> {
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(TimeoutFault::Malformed);
    }
    if digits.len() > max_digits {
        return Err(TimeoutFault::TooManyDigits);
    }
    digits.parse().map_err(|_| TimeoutFault::TooManyDigits)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn timeouts_of_each_form_are_read() {
        for (form, value, timeout) in [
            (TimeoutForm::Grpc, "99999999H", Duration::from_secs(99_999_999 * 3600)),
            (TimeoutForm::Grpc, "2M", Duration::from_secs(120)),
            (TimeoutForm::Grpc, "3S", Duration::from_secs(3)),
            (TimeoutForm::Grpc, "4m", Duration::from_millis(4)),
            (TimeoutForm::Grpc, "5u", Duration::from_micros(5)),
            (TimeoutForm::Grpc, "6n", Duration::from_nanos(6)),
            (TimeoutForm::Grpc, "0n", Duration::ZERO),
            (TimeoutForm::Connect, "9999999999", Duration::from_millis(9_999_999_999)),
            (TimeoutForm::Server, "5", Duration::from_secs(5)),
            (TimeoutForm::Server, "1.5", Duration::from_millis(1500)),
            (TimeoutForm::Server, "0.000000001", Duration::from_nanos(1)),
        ] {
            assert_eq!(form.parse(value), Ok(timeout), "{value}");
        }
    }

    #[test]
    fn other_values_are_refused() {
        for (form, value, fault) in [
            (TimeoutForm::Grpc, "", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, "S", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, "5", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, "-5S", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, "+5S", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, "5s", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, " 5S", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, "5µ", TimeoutFault::Malformed),
            (TimeoutForm::Grpc, "123456789S", TimeoutFault::TooManyDigits),
            (TimeoutForm::Connect, "5m", TimeoutFault::Malformed),
            (TimeoutForm::Connect, "12345678901", TimeoutFault::TooManyDigits),
            (TimeoutForm::Server, "1e3", TimeoutFault::Malformed),
            (TimeoutForm::Server, ".5", TimeoutFault::Malformed),
            (TimeoutForm::Server, "5.", TimeoutFault::Malformed),
            (TimeoutForm::Server, "1.2.3", TimeoutFault::Malformed),
            (TimeoutForm::Server, "-1", TimeoutFault::Malformed),
            (TimeoutForm::Server, "NaN", TimeoutFault::Malformed),
            (TimeoutForm::Server, "12345678901", TimeoutFault::TooManyDigits),
            (TimeoutForm::Server, "0.0000000001", TimeoutFault::TooManyDigits),
        ] {
            assert_eq!(form.parse(value), Err(TimeoutError { form, fault }), "{value}");
        }
    }

    #[test]
    fn a_header_must_be_there_once() {
        let form = TimeoutForm::Connect;
        let mut headers = HeaderMap::new();
        assert_eq!(form.from_headers(&headers), Ok(None));
        headers.append(form.header_name(), HeaderValue::from_static("5"));
        assert_eq!(form.from_headers(&headers), Ok(Some(Duration::from_millis(5))));
        headers.append(form.header_name(), HeaderValue::from_static("5"));
        let error = form.from_headers(&headers).unwrap_err();
        assert_eq!(error.to_string(), "the header connect-timeout-ms must be there once");
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "[-0-9.HMSmunµ]{0,12}") {
            for form in [TimeoutForm::Grpc, TimeoutForm::Connect, TimeoutForm::Server] {
                let _ = form.parse(&value);
            }
        }
    }
}
