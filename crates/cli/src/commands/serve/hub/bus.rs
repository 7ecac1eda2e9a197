//! The bus that `--bus` names.

use std::fmt;
use std::str::FromStr;

use sockeye_hub::Builder;
#[cfg(feature = "nats")]
use sockeye_hub::bus::BusError;
#[cfg(feature = "nats")]
use sockeye_hub::bus::nats::{Nats, NatsError};
#[cfg(feature = "redis")]
use sockeye_hub::bus::redis::Redis;

/// The URL of a bus. Its text may hold a password, which [`Display`](fmt::Display) and
/// [`Debug`](fmt::Debug) leave out.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BusUrl {
    kind: BusKind,
    scheme: &'static str,
    url: String,
}

/// The kinds of buses that join several servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum BusKind {
    #[cfg(feature = "nats")]
    Nats,
    #[cfg(feature = "redis")]
    Redis,
}

impl fmt::Display for BusKind {
    #[cfg_attr(not(any(feature = "nats", feature = "redis")), allow(unused_variables))]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            #[cfg(feature = "nats")]
            Self::Nats => f.write_str("NATS"),
            #[cfg(feature = "redis")]
            Self::Redis => f.write_str("Redis"),
        }
    }
}

/// The schemes of URLs, each with its kind of bus.
const SCHEMES: &[(&str, BusKind)] = &[
    #[cfg(feature = "nats")]
    ("nats", BusKind::Nats),
    #[cfg(feature = "nats")]
    ("tls", BusKind::Nats),
    #[cfg(feature = "redis")]
    ("redis", BusKind::Redis),
    #[cfg(feature = "redis")]
    ("rediss", BusKind::Redis),
    #[cfg(feature = "redis")]
    ("redis+sentinel", BusKind::Redis),
    #[cfg(feature = "redis")]
    ("rediss+sentinel", BusKind::Redis),
    #[cfg(feature = "redis")]
    ("redis+cluster", BusKind::Redis),
    #[cfg(feature = "redis")]
    ("rediss+cluster", BusKind::Redis),
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
            BusKind::Nats => {
                let bus =
                    Nats::connect(&self.url).await.map_err(|error| self.unreachable(&error))?;
                match bus.check_jetstream().await {
                    Err(BusError::Broker(cause)) if is_no_jetstream(&*cause) => anyhow::bail!(
                        "cannot use the bus {self}: JetStream is off: start nats-server with -js"
                    ),
                    // A cluster may be electing a leader, for which the hub waits.
                    Err(error) => tracing::warn!("JetStream of {self} does not answer: {error}"),
                    Ok(()) => {}
                }
                Ok(builder.bus(bus))
            }
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

#[cfg(feature = "nats")]
fn is_no_jetstream(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(error.downcast_ref(), Some(NatsError::NoJetStream(_)))
}

/// Parses a URL. No error quotes more than the scheme, as a URL may hold a password anywhere.
impl FromStr for BusUrl {
    type Err = BusUrlError;

    fn from_str(text: &str) -> Result<Self, BusUrlError> {
        if SCHEMES.is_empty() {
            return Err(BusUrlError::NoBus);
        }
        let Some((scheme, rest)) = text.split_once("://").filter(|(scheme, _)| is_scheme(scheme))
        else {
            return Err(BusUrlError::NoUrl);
        };
        let found = SCHEMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(scheme));
        let Some((scheme, kind)) = found.copied() else {
            return Err(BusUrlError::Scheme(scheme.to_owned()));
        };
        let url = Self { kind, scheme, url: text.to_owned() };
        for (index, server) in url.servers(rest).enumerate() {
            let begins_anew = index == 0 || server.contains("://");
            let server = without_scheme(server);
            let (authority, path) = server.split_at(end_of_authority(server));
            if authority.is_empty() {
                return Err(BusUrlError::NoHost(scheme));
            }
            // The text before was a piece of a password, or the text of the authority is.
            if path.contains('@') || (authority.contains('@') && !begins_anew) {
                return Err(BusUrlError::Password);
            }
        }
        Ok(url)
    }
}

impl BusUrl {
    /// Returns the kind of bus that the URL is of.
    pub(super) fn kind(&self) -> BusKind {
        self.kind
    }

    /// Returns whether the URL lists several servers, separated by commas.
    fn is_list(&self) -> bool {
        match self.kind {
            #[cfg(feature = "nats")]
            BusKind::Nats => true,
            #[cfg(feature = "redis")]
            BusKind::Redis => self.scheme.contains('+'),
        }
    }

    /// Returns what the URL has for each server, beginning after the scheme of the first.
    fn servers<'a>(&self, rest: &'a str) -> impl Iterator<Item = &'a str> {
        let is_list = self.is_list();
        rest.split(move |c| is_list && c == ',').map(str::trim)
    }
}

/// Returns whether `text` has the form of a scheme (RFC 3986, 3.1).
fn is_scheme(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

fn without_scheme(server: &str) -> &str {
    server.split_once("://").map_or(server, |(_, rest)| rest)
}

fn end_of_authority(server: &str) -> usize {
    server.find(['/', '?', '#']).unwrap_or(server.len())
}

/// The reason why a text is not the URL of a bus.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum BusUrlError {
    NoBus,
    NoUrl,
    Scheme(String),
    NoHost(&'static str),
    /// A delimiter of the URL stands before an `@`.
    Password,
}

impl fmt::Display for BusUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = || {
            let schemes = SCHEMES.iter().map(|(scheme, _)| format!("{scheme}://"));
            schemes.collect::<Vec<_>>().join(", ")
        };
        match self {
            Self::NoBus => f.write_str("this program was built without a bus"),
            Self::NoUrl => {
                let known = known();
                write!(f, "expected a URL such as nats://127.0.0.1:4222, of one of {known}")
            }
            Self::Scheme(scheme) => {
                write!(f, "{scheme}:// is no bus; expected one of {}", known())
            }
            Self::NoHost(scheme) => {
                write!(f, "the host is missing; expected such as {scheme}://127.0.0.1")
            }
            Self::Password => f.write_str(
                "an @ stands behind the host; expected a password without '/', '?', '#' and, with \
                 several hosts, ',': Redis takes them as %2F, %3F, %23 and %2C",
            ),
        }
    }
}

impl std::error::Error for BusUrlError {}

/// Formats the URL without user and password.
impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let servers = self.servers(without_scheme(&self.url)).map(|server| {
            let server = without_scheme(server);
            let authority = &server[..end_of_authority(server)];
            authority.rsplit('@').next().unwrap_or_default()
        });
        write!(f, "{}://{}", self.scheme, servers.collect::<Vec<_>>().join(","))
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
            ("redis://user:se@cr,et@host?x=secret", "redis://host"),
            ("REDIS://user:secret,@host", "redis://host"),
            ("redis://user:se%2Fcret@host/2", "redis://host"),
            ("rediss://user:secret@host?ca_file=/ca.pem", "rediss://host"),
            (
                "redis+sentinel://:secret@a,b:1/service/2?sentinel_password=secret",
                "redis+sentinel://a,b:1",
            ),
            ("Rediss+Cluster://user:secret@a:1,[::1]:2", "rediss+cluster://a:1,[::1]:2"),
            ("nats://token@a:4222,nats://token@b:4222", "nats://a:4222,b:4222"),
            ("nats://user:se@cret@a, b:4222", "nats://a,b:4222"),
        ] {
            let url: BusUrl = url.parse().unwrap();
            assert_eq!(url.to_string(), shown);
            assert_eq!(format!("{url:?}"), shown);
        }
    }

    #[test]
    fn no_error_has_a_part_of_a_password() {
        for (url, expected) in [
            ("redis://user:se/cret@host", BusUrlError::Password),
            ("redis://user:secret@host?x=@", BusUrlError::Password),
            ("redis+sentinel://user:se,cret@host/service", BusUrlError::Password),
            ("redis+cluster://user:se/cret@a,b", BusUrlError::Password),
            ("redis+cluster://user:secret@a,", BusUrlError::NoHost("redis+cluster")),
            ("nats://user:se,cret@host", BusUrlError::Password),
            ("nats://user:s@e,cret@host", BusUrlError::Password),
            ("nats://user:se#cret@host", BusUrlError::Password),
            ("nats://user:secret@a,", BusUrlError::NoHost("nats")),
            ("user:secret://host", BusUrlError::NoUrl),
            ("user:secret@host", BusUrlError::NoUrl),
            ("kafka://user:secret@host", BusUrlError::Scheme("kafka".to_owned())),
        ] {
            let error = url.parse::<BusUrl>().unwrap_err();
            assert_eq!(error, expected, "{url}");
            assert!(!error.to_string().contains("cret"), "{url}: {error}");
        }
    }
}
