//! The property of the client's internal parsers that the fuzz target `address` checks.

use http::HeaderValue;
use sockeye_proto::handshake::{RequestError, Url};

use super::ConnectError;
use super::proxy::{Environment, Proxy};
use super::redirect;

/// Checks one input of four lines: a URL, a proxy, a list of hosts without a proxy, a `Location`.
/// Parsing an address from the environment or a response never panics, and an accepted value
/// survives formatting and parsing.
///
/// # Panics
/// Panics if the property does not hold.
pub fn check(input: &[u8]) {
    let mut lines = input.splitn(4, |byte| *byte == b'\n');
    let mut text = || String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let (url, variable, list) = (text(), text(), text());
    let location = text();
    let parsed = variable.parse::<Proxy>();
    match &parsed {
        Ok(parsed) => check_round_trip(parsed, &variable),
        Err(error) => drop(error.to_string()),
    }
    let Ok(url) = url.parse::<Url>() else { return };
    assert_eq!(url.to_string().parse(), Ok(url.clone()));
    check_exceptions(&variable, &list, &url);
    let Ok(location) = location.parse() else { return };
    match redirected(&url, &location) {
        Ok(next) => {
            assert!(next.target().starts_with('/'), "{next}");
            assert_eq!(next.to_string().parse(), Ok(next.clone()));
            let whole = next.to_string().parse().expect("a URL is a header's value");
            assert_eq!(redirected(&url, &whole), Ok(next.clone()), "{next}");
            assert_eq!(redirected(&next, &whole), Ok(next));
        }
        Err(error) => drop(error.to_string()),
    }
}

/// Checks that a formatted proxy parses to the same proxy, without its credentials.
fn check_round_trip(proxy: &Proxy, text: &str) {
    let formatted = proxy.to_string();
    assert!(!formatted.contains('@'), "{formatted}");
    let reparsed = formatted.parse::<Proxy>().expect("a formatted proxy is a proxy");
    assert_eq!((reparsed.host(), reparsed.port()), (proxy.host(), proxy.port()), "{text}");
    assert_eq!(reparsed.to_string(), formatted);
}

/// Checks that the list excludes hosts from the proxy, and that each entry only excludes more.
fn check_exceptions(variable: &str, list: &str, url: &Url) {
    let is_direct = |list: &str| matches!(proxy("http://proxy.test", list, url), Ok(None));
    assert!(!is_direct(""));
    assert!(is_direct("*"));
    // A comma would make two entries of the host, a star has a special meaning, and dots alone are
    // no name.
    if !url.host().contains([',', '*']) && url.host().contains(|byte| byte != '.') {
        assert!(is_direct(&format!("{list},{}", url.host())), "{list} {url}");
    }
    if is_direct(list) {
        assert!(
            is_direct(&format!("{list},other.test")) && is_direct(&format!("other.test,{list}"))
        );
        assert!(matches!(proxy(variable, list, url), Ok(None)));
    } else if let Ok(Some(named)) = proxy(variable, list, url) {
        check_round_trip(&named, variable);
    }
}

/// Returns the proxy for `url` if the environment variable `all_proxy` has the value `variable`,
/// unless `no_proxy`, the value of the variable of that name, excludes the URL.
///
/// # Errors
/// [`ConnectError::ProxyVariable`] if `variable` is not the URL of a proxy.
fn proxy(variable: &str, no_proxy: &str, url: &Url) -> Result<Option<Proxy>, ConnectError> {
    let environment = Environment::read(|name| match name {
        "all_proxy" => Some(variable.to_owned()),
        "no_proxy" => Some(no_proxy.to_owned()),
        _ => None,
    });
    environment.proxy(url).map(Option::<&Proxy>::cloned)
}

/// Resolves the `Location` header of a response to a request for `base`.
///
/// # Errors
/// [`RequestError`] if the target is not a WebSocket URL.
fn redirected(base: &Url, location: &HeaderValue) -> Result<Url, RequestError> {
    redirect::resolve(base, location)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_known_input_passes() {
        let fuzz = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz");
        for folder in ["seeds/address", "corpus/address"] {
            // A published crate comes without them.
            let Ok(entries) = fs::read_dir(fuzz.join(folder)) else { continue };
            for entry in entries {
                super::check(&fs::read(entry.unwrap().path()).unwrap());
            }
        }
    }
}
