//! The value of `--upstream`.

use std::str::FromStr;

use sockeye_gateway::upstream::{UpstreamUrl, UpstreamUrlError};

/// The value of `--upstream`: `[SERVICE=]URL[,URL]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct UpstreamArgument {
    pub(super) service: Option<String>,
    /// At least one URL.
    pub(super) urls: Vec<UpstreamUrl>,
}

impl FromStr for UpstreamArgument {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (service, urls) = match text.split_once('=') {
            Some((service, urls)) if is_service(service) => (Some(service.to_owned()), urls),
            Some((service, _)) if !service.contains(':') => {
                return Err(format!(
                    "{service:?} is not the full name of a service; expected such as \
                     shop.v1.Cart=http://127.0.0.1:50051"
                ));
            }
            _ => (None, text),
        };
        let urls = urls.split(',').map(str::parse::<UpstreamUrl>).collect::<Result<_, _>>();
        let urls =
            urls.map_err(|error: UpstreamUrlError| format!("{error}; expected such as {EXAMPLE}"))?;
        Ok(Self { service, urls })
    }
}

/// An example of a URL, for messages.
const EXAMPLE: &str = "http://127.0.0.1:50051";

/// Returns whether a text has the form of `package.Service`.
fn is_service(text: &str) -> bool {
    let is_identifier = |part: &str| {
        part.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
    };
    text.split('.').all(is_identifier)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn parse(text: &str) -> UpstreamArgument {
        text.parse().unwrap()
    }

    #[test]
    fn an_upstream_may_be_named_for_a_service_and_have_several_addresses() {
        let one = parse("http://127.0.0.1:50051");
        assert_eq!((one.service, one.urls.len()), (None, 1));
        let two = parse("shop.v1.Cart=http://a:1,http://b:2");
        assert_eq!(two.service.as_deref(), Some("shop.v1.Cart"));
        assert_eq!(two.urls.len(), 2);
        #[cfg(unix)]
        assert_eq!(parse("unix:/run/a=b.sock").urls[0].to_string(), "unix:/run/a=b.sock");
    }

    #[test]
    fn a_wrong_upstream_says_what_is_expected_and_not_its_password() {
        for (text, part) in [
            ("127.0.0.1:50051", "http://127.0.0.1:50051"),
            ("", "http://127.0.0.1:50051"),
            ("grpc://host", "http://, https:// or unix:"),
            ("a..B=http://host", "full name of a service"),
            ("a.B=http://host/path", "ends after the port"),
            ("http://ada:secret@host", "no user or password"),
        ] {
            let error = text.parse::<UpstreamArgument>().unwrap_err();
            assert!(error.contains(part), "{text}: {error}");
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
