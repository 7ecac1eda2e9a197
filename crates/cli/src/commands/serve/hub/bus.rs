//! The bus that `--bus` names.

use std::fmt;
use std::str::FromStr;

use sockeye_hub::Builder;
#[cfg(feature = "nats")]
use sockeye_hub::bus::nats::Nats;
#[cfg(feature = "redis")]
use sockeye_hub::bus::redis::Redis;

/// The URL of a bus. Its text may hold a password, which [`Display`](fmt::Display) and
/// [`Debug`](fmt::Debug) leave out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BusUrl {
    kind: BusKind,
    url: String,
}

/// The kinds of buses that join several servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BusKind {
    #[cfg(feature = "nats")]
    Nats,
    #[cfg(feature = "redis")]
    Redis,
}

/// The schemes of URLs, each with its kind of bus.
const SCHEMES: &[(&str, BusKind)] = &[
    #[cfg(feature = "nats")]
    ("nats", BusKind::Nats),
    #[cfg(feature = "nats")]
    ("tls", BusKind::Nats),
    #[cfg(feature = "redis")]
    ("redis", BusKind::Redis),
];

#[cfg_attr(
    not(any(feature = "nats", feature = "redis")),
    allow(unused_variables, dead_code, reason = "a program without a bus parses no URL")
)]
impl BusUrl {
    /// Returns `builder` with this bus, once the bus is connected.
    ///
    /// # Errors
    /// A sentence that names the bus and the cause.
    pub(crate) async fn connect(&self, builder: Builder<()>) -> anyhow::Result<Builder<()>> {
        match self.kind {
            #[cfg(feature = "nats")]
            BusKind::Nats => Ok(builder
                .bus(Nats::connect(&self.url).await.map_err(|error| self.unreachable(&error))?)),
            #[cfg(feature = "redis")]
            BusKind::Redis => Ok(builder
                .bus(Redis::connect(&self.url).await.map_err(|error| self.unreachable(&error))?)),
        }
    }

    fn unreachable(&self, error: &impl fmt::Display) -> anyhow::Error {
        // The error includes its source.
        anyhow::anyhow!("cannot reach the bus {self}: {error}")
    }
}

impl FromStr for BusUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || {
            let schemes = SCHEMES.iter().map(|(scheme, _)| format!("{scheme}://"));
            schemes.collect::<Vec<_>>().join(", ")
        };
        if SCHEMES.is_empty() {
            return Err("this program was built without a bus".to_owned());
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(format!(
                "expected a URL such as nats://127.0.0.1:4222; it begins with one of {}",
                known()
            ));
        };
        let found = SCHEMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme));
        let Some((_, kind)) = found else {
            return Err(format!("{scheme}:// is no bus; expected one of {}", known()));
        };
        if rest.is_empty() || rest.starts_with('/') {
            return Err(format!("the host is missing; expected such as {scheme}://127.0.0.1"));
        }
        Ok(Self { kind: *kind, url: text.to_owned() })
    }
}

/// Formats the URL without user and password.
impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((scheme, rest)) = self.url.split_once("://") else { return Ok(()) };
        // Several servers may be listed, each with credentials; a password may hold a slash.
        let hosts = rest.split(',').filter_map(|server| server.rsplit('@').next());
        let hosts = hosts.filter_map(|server| server.rsplit("://").next());
        let hosts = hosts.filter_map(|server| server.split(['/', '?', '#']).next());
        write!(f, "{scheme}://{}", hosts.collect::<Vec<_>>().join(","))
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(all(test, feature = "nats", feature = "redis"))]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_shown_without_its_password() {
        for (url, shown) in [
            ("redis://:secret@127.0.0.1:6379/2", "redis://127.0.0.1:6379"),
            ("redis://user:se@cr/et@host?x=secret", "redis://host"),
            ("nats://token@a:4222,nats://token@b:4222", "nats://a:4222,b:4222"),
        ] {
            let url: BusUrl = url.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }
}
