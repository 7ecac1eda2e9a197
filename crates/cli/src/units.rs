//! Parsers of flag values: sizes, durations, addresses; and the form of times in results.
//!
//! Each parser answers a mistake with a sentence that says what is allowed; clap prints it after
//! the name of the flag.

use std::convert::Infallible;
use std::time::Duration;

use sockeye::upgrade::{HostPolicy, OriginPolicy, TrustedProxies};

/// Parses a number of bytes such as `4096`, `64KiB` or `1.5MB`; at least 1.
pub(crate) fn size(text: &str) -> Result<usize, String> {
    const EXPECTED: &str = "expected a number of bytes such as 4096, 64KiB or 16MiB";
    const UNITS: &[(&str, f64)] = &[
        ("", 1.0),
        ("b", 1.0),
        ("k", 1024.0),
        ("kib", 1024.0),
        ("kb", 1e3),
        ("m", 1_048_576.0),
        ("mib", 1_048_576.0),
        ("mb", 1e6),
        ("g", 1_073_741_824.0),
        ("gib", 1_073_741_824.0),
        ("gb", 1e9),
    ];
    let bytes = scale(text, UNITS).ok_or(EXPECTED)?;
    // Above this limit an f64 cannot represent every whole number, and no real size is that large.
    if !(1.0..=1e15).contains(&bytes) {
        return Err(format!("out of range; {EXPECTED}, and at least 1"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked")]
    let bytes = bytes.round() as u64;
    usize::try_from(bytes).map_err(|_| "more than this machine can address".to_owned())
}

/// Parses a time such as `500ms`, `10s`, `5m` or `1h`; at least a millisecond, at most a year.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    const EXPECTED: &str = "expected a number with its unit such as 500ms, 10s, 5m or 1h";
    const UNITS: &[(&str, f64)] =
        &[("ms", 1e-3), ("s", 1.0), ("m", 60.0), ("min", 60.0), ("h", 3600.0)];
    let seconds = scale(text, UNITS).ok_or(EXPECTED)?;
    if !(1e-3..=31_536_000.0).contains(&seconds) {
        return Err(format!("out of range; {EXPECTED}, from 1ms to a year"));
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// Parses a number such as `500`, `10k` or `1.5M`; at least 1.
pub(crate) fn count(text: &str) -> Result<u64, String> {
    const EXPECTED: &str = "expected a number such as 500, 10k or 1.5M";
    const UNITS: &[(&str, f64)] = &[("", 1.0), ("k", 1e3), ("m", 1e6)];
    let count = scale(text, UNITS).ok_or(EXPECTED)?;
    if !(1.0..=1e12).contains(&count) {
        return Err(format!("out of range; {EXPECTED}, and at least 1"));
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked")]
    Ok(count.round() as u64)
}

/// Parses a latency such as `250us`, `5ms` or `1s`.
pub(crate) fn latency(text: &str) -> Result<Duration, String> {
    const UNITS: &[(&str, f64)] =
        &[("ns", 1e-9), ("us", 1e-6), ("µs", 1e-6), ("ms", 1e-3), ("s", 1.0)];
    match scale(text, UNITS) {
        Some(seconds @ 0.0..=3600.0) => Ok(Duration::from_secs_f64(seconds)),
        _ => Err("expected a time such as 250us, 5ms or 1s".to_owned()),
    }
}

/// Parses a number of connections; at least 1.
pub(crate) fn connections(text: &str) -> Result<usize, String> {
    // The maximum that the semaphore which enforces the limit gives out at once: no process has as
    // many connections.
    match text.parse::<u32>() {
        Ok(number @ 1..) => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
        _ => Err("expected a whole number, at least 1 and at most 4294967295".to_owned()),
    }
}

/// Returns a host without the brackets that URLs and HTTP put around IPv6 addresses.
pub(crate) fn without_brackets(host: &str) -> &str {
    host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host)
}

/// Parses `ADDRESS:PORT` with a name, an IPv4 address or an IPv6 address in brackets.
pub(crate) fn address(text: &str) -> Result<String, String> {
    const EXPECTED: &str =
        "expected an address with its port such as 127.0.0.1:8080, [::1]:8080 or localhost:0";
    let (host, port) = text.rsplit_once(':').ok_or(EXPECTED)?;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let misplaced_colon = host.contains(':') && bare.is_none();
    if host.is_empty() || misplaced_colon {
        return Err(EXPECTED.to_owned());
    }
    match port.parse::<u16>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(format!("{port:?} is not a port from 0 to 65535; {EXPECTED}")),
    }
}

/// Refuses the value of `--port`, and names the flag that takes it.
pub(crate) fn port(text: &str) -> Result<Infallible, String> {
    let port: u16 = text.parse().unwrap_or(8080);
    Err(format!(
        "there is no such flag; use --listen 127.0.0.1:{port}, or --listen 0.0.0.0:{port} for \
         clients on other machines"
    ))
}

/// Parses a host pattern, such as `app.example.com` or `*.example.com`.
pub(crate) fn host_pattern(text: &str) -> Result<String, String> {
    match HostPolicy::listed_only().allow(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; expected a host such as app.example.com, *.example.com or 192.0.2.7:8443, or * for all"
        )),
    }
}

/// Parses a network of trusted proxies.
pub(crate) fn network(text: &str) -> Result<String, String> {
    match TrustedProxies::new([text]) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Parses an origin pattern, such as `https://app.example.com`.
pub(crate) fn origin_pattern(text: &str) -> Result<String, String> {
    match OriginPolicy::listed_only().allow(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!(
            "{error}; expected an origin such as https://app.example.com, https://*.example.com \
             or http://localhost:*"
        )),
    }
}

/// Returns the number at the start of `text` times the factor of the unit after it.
fn scale(text: &str, units: &[(&str, f64)]) -> Option<f64> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let number: f64 = number.parse().ok()?;
    let unit = unit.trim().to_ascii_lowercase();
    units.iter().find(|(name, _)| *name == unit).map(|(_, factor)| number * factor)
}

/// Formats a time with three significant digits.
pub(crate) fn three_digits(time: Duration) -> String {
    let seconds = time.as_secs_f64();
    let (value, unit) = match seconds {
        1.0.. => (seconds, "s"),
        1e-3.. => (seconds * 1e3, "ms"),
        _ => (seconds * 1e6, "µs"),
    };
    let digits = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.digits$} {unit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_binary_and_decimal_units() {
        assert_eq!(size("4096"), Ok(4096));
        assert_eq!(size("64KiB"), Ok(65_536));
        assert_eq!(size("16 mib"), Ok(16 << 20));
        assert_eq!(size("1.5MB"), Ok(1_500_000));
        assert_eq!(size("1g"), Ok(1 << 30));
    }

    #[test]
    fn a_size_is_a_number_of_a_known_unit_and_at_least_one() {
        for wrong in ["", "MiB", "-1", "12 potatoes", "1..5k", "0", "99999999GiB"] {
            let problem = size(wrong).unwrap_err();
            assert!(problem.contains("64KiB"), "{wrong}: {problem}");
        }
    }

    #[test]
    fn durations_need_their_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2.5s"), Ok(Duration::from_millis(2500)));
        assert_eq!(duration("5m"), Ok(Duration::from_secs(300)));
        for wrong in ["5", "", "0s", "soon", "9999999h"] {
            assert!(duration(wrong).unwrap_err().contains("10s"), "{wrong}");
        }
    }

    #[test]
    fn counts_take_decimal_units_and_latencies_go_down_to_nanoseconds() {
        assert_eq!(
            (count("500"), count("10k"), count("1.5M")),
            (Ok(500), Ok(10_000), Ok(1_500_000))
        );
        assert_eq!(latency("250us"), Ok(Duration::from_micros(250)));
        assert_eq!(latency("1.5µs"), Ok(Duration::from_nanos(1500)));
        for wrong in ["", "k", "0", "-1", "many"] {
            assert!(count(wrong).unwrap_err().contains("10k"), "{wrong}");
        }
        for wrong in ["", "5", "ms", "2h", "9999s"] {
            assert!(latency(wrong).unwrap_err().contains("250us"), "{wrong}");
        }
    }

    #[test]
    fn an_address_has_a_port() {
        for right in ["127.0.0.1:8080", "[::1]:0", "localhost:65535"] {
            assert_eq!(address(right), Ok(right.to_owned()));
        }
        for wrong in ["8080", "localhost", ":80", "::1:80", "host:http", "host:65536"] {
            assert!(address(wrong).unwrap_err().contains("[::1]:8080"), "{wrong}");
        }
    }

    #[test]
    fn times_have_three_digits_and_the_unit_that_fits() {
        for (nanoseconds, expected) in [
            (0, "0.00 µs"),
            (1_234, "1.23 µs"),
            (56_789, "56.8 µs"),
            (5_678_900, "5.68 ms"),
            (999_000_000, "999 ms"),
            (61_500_000_000, "61.5 s"),
        ] {
            assert_eq!(three_digits(Duration::from_nanos(nanoseconds)), expected);
        }
    }
}
