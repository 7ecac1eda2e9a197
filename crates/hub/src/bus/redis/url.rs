use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use redis::{
    ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisConnectionInfo,
    RedisError,
};

use super::tls::TlsFiles;

/// The port of a sentinel whose address has none.
const SENTINEL_PORT: u16 = 26_379;

/// The servers that a URL names, and the settings of their connections.
#[derive(Debug)]
pub(super) struct RedisUrl {
    pub(super) kind: Kind,
    /// The address of the server, those of the sentinels, or those of some servers of the cluster:
    /// one at least.
    pub(super) addresses: Vec<Address>,
    /// The credentials and the database of the servers.
    pub(super) settings: RedisConnectionInfo,
    pub(super) tls: Option<TlsFiles>,
}

/// The kinds of deployments.
#[derive(Debug)]
pub(super) enum Kind {
    Single,
    Sentinel { service: String, settings: RedisConnectionInfo },
    Cluster,
}

/// The address of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Address {
    Tcp {
        host: String,
        port: u16,
    },
    #[cfg(unix)]
    Unix(PathBuf),
}

/// The reason why a text is not the URL of a deployment of Redis. It has no part of the URL that
/// could be a password.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RedisUrlError {
    /// The scheme is none of `redis`, `rediss`, `unix`, `redis+sentinel`, `rediss+sentinel`,
    /// `redis+cluster` and `rediss+cluster`.
    Scheme,
    /// An address, the credentials or the database are malformed.
    Address(RedisError),
    /// The URL of one server has several addresses.
    SeveralAddresses,
    /// The URL of sentinels does not name the service.
    NoService,
    /// The URL of a cluster has a path: a cluster has no databases.
    PathOfCluster,
    /// The URL has a fragment, such as `#insecure`.
    Fragment,
    /// An `@` stands behind the hosts: the password has a `/` or `?` that is not encoded.
    AtSign,
    /// The parameter has no meaning in a URL of this scheme.
    Parameter {
        /// The name of the parameter.
        name: String,
    },
    /// The value of the parameter, or the name of the service, is not percent-encoded UTF-8.
    Encoding,
}

impl RedisUrl {
    pub(super) fn parse(text: &str) -> Result<Self, RedisUrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(RedisUrlError::Scheme)?;
        let scheme = scheme.to_ascii_lowercase();
        let (base, kind) = scheme.split_once('+').unwrap_or((&scheme, ""));
        let is_tls = match base {
            "unix" if kind.is_empty() => return Self::parse_unix(text),
            "redis" | "valkey" if kind == "unix" => return Self::parse_unix(text),
            "redis" | "valkey" => false,
            "rediss" | "valkeys" => true,
            _ => return Err(RedisUrlError::Scheme),
        };
        if rest.contains('#') {
            return Err(RedisUrlError::Fragment);
        }
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if path.contains('@') || query.contains('@') {
            return Err(RedisUrlError::AtSign);
        }
        let mut parameters = Parameters::parse(query)?;
        let (kind, database) = match kind {
            "" => (Kind::Single, path),
            "sentinel" => {
                let (service, database) = path.split_once('/').unwrap_or((path, ""));
                let service = percent_decoded(service)?;
                if service.is_empty() {
                    return Err(RedisUrlError::NoService);
                }
                (Kind::Sentinel { service, settings: parameters.take_credentials() }, database)
            }
            "cluster" if path.is_empty() => (Kind::Cluster, path),
            "cluster" => return Err(RedisUrlError::PathOfCluster),
            _ => return Err(RedisUrlError::Scheme),
        };
        let tls = is_tls.then(|| TlsFiles {
            ca: parameters.take("ca_file").map(PathBuf::from),
            certificate: parameters.take("cert_file").map(PathBuf::from),
            key: parameters.take("key_file").map(PathBuf::from),
        });
        parameters.end()?;
        let (user, hosts) = authority
            .rsplit_once('@')
            .map_or((String::new(), authority), |(user, hosts)| (format!("{user}@"), hosts));
        let mut addresses = Vec::new();
        let mut settings = None;
        for host in hosts.split(',').map(str::trim) {
            let port = match kind {
                Kind::Sentinel { .. } if !has_port(host) => format!(":{SENTINEL_PORT}"),
                _ => String::new(),
            };
            let info = connection_info(&format!("redis://{user}{host}{port}/{database}"))?;
            addresses.push(Address::new(info.addr())?);
            settings = Some(with_resp3(info.redis_settings()));
        }
        if addresses.len() > 1 && matches!(kind, Kind::Single) {
            return Err(RedisUrlError::SeveralAddresses);
        }
        // The addresses are one at least.
        Ok(Self { kind, addresses, settings: settings.unwrap_or_default(), tls })
    }

    fn parse_unix(text: &str) -> Result<Self, RedisUrlError> {
        let info = connection_info(text)?;
        let addresses = vec![Address::new(info.addr())?];
        let settings = with_resp3(info.redis_settings());
        Ok(Self { kind: Kind::Single, addresses, settings, tls: None })
    }
}

impl Address {
    fn new(address: &ConnectionAddr) -> Result<Self, RedisUrlError> {
        match address {
            ConnectionAddr::Tcp(host, port) => Ok(Self::Tcp { host: host.clone(), port: *port }),
            #[cfg(unix)]
            ConnectionAddr::Unix(path) => Ok(Self::Unix(path.clone())),
            _ => Err(RedisUrlError::Scheme),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(f, "{host}:{port}"),
            #[cfg(unix)]
            Self::Unix(path) => path.display().fmt(f),
        }
    }
}

fn connection_info(url: &str) -> Result<ConnectionInfo, RedisUrlError> {
    url.into_connection_info().map_err(RedisUrlError::Address)
}

/// Pushed publications beside replies need RESP3.
fn with_resp3(settings: &RedisConnectionInfo) -> RedisConnectionInfo {
    settings.clone().set_protocol(ProtocolVersion::RESP3)
}

/// Returns whether a host, which may be an IPv6 address in brackets, is followed by a port.
fn has_port(host: &str) -> bool {
    host.rsplit_once(':').is_some_and(|(_, port)| port.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The parameters of a URL that were not taken yet, decoded.
struct Parameters(Vec<(String, String)>);

impl Parameters {
    fn parse(query: &str) -> Result<Self, RedisUrlError> {
        let pairs = query.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((percent_decoded(name)?, percent_decoded(value)?))
        });
        let mut pairs: Vec<_> = pairs.collect::<Result<_, _>>()?;
        // Other clients choose the version of the protocol by this; this bus needs RESP3.
        pairs.retain(|(name, value)| name != "protocol" || !matches!(&**value, "3" | "resp3"));
        Ok(Self(pairs))
    }

    fn take(&mut self, name: &str) -> Option<String> {
        let index = self.0.iter().position(|(found, _)| found == name)?;
        Some(self.0.remove(index).1)
    }

    /// Takes the credentials for the sentinels.
    fn take_credentials(&mut self) -> RedisConnectionInfo {
        let mut settings = with_resp3(&RedisConnectionInfo::default());
        if let Some(name) = self.take("sentinel_username") {
            settings = settings.set_username(name);
        }
        if let Some(password) = self.take("sentinel_password") {
            settings = settings.set_password(password);
        }
        settings
    }

    /// Refuses what was not taken: a name that is mistyped must not be ignored.
    fn end(self) -> Result<(), RedisUrlError> {
        match self.0.into_iter().next() {
            Some((name, _)) => Err(RedisUrlError::Parameter { name }),
            None => Ok(()),
        }
    }
}

fn percent_decoded(text: &str) -> Result<String, RedisUrlError> {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let (digits, rest) = part.split_at_checked(2).ok_or(RedisUrlError::Encoding)?;
        if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(RedisUrlError::Encoding);
        }
        decoded.push(u8::from_str_radix(digits, 16).map_err(|_| RedisUrlError::Encoding)?);
        decoded.extend_from_slice(rest.as_bytes());
    }
    String::from_utf8(decoded).map_err(|_| RedisUrlError::Encoding)
}

impl fmt::Display for RedisUrlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str(
                "the scheme is none of redis, rediss, unix, redis+sentinel, rediss+sentinel, \
                 redis+cluster and rediss+cluster",
            ),
            Self::Address(error) => error.fmt(f),
            Self::SeveralAddresses => f.write_str(
                "several addresses need the scheme redis+cluster or redis+sentinel, or the same \
                 with rediss",
            ),
            Self::NoService => f.write_str(
                "the service is missing: expected such as redis+sentinel://HOST:PORT/mymaster",
            ),
            Self::PathOfCluster => f.write_str("a cluster has no databases: expected no path"),
            Self::Fragment => f.write_str("expected no fragment, or %23 in place of #"),
            Self::AtSign => f.write_str(
                "an @ stands behind the host: expected / as %2F and ? as %3F in a password, and @ \
                 as %40 in a parameter",
            ),
            Self::Parameter { name } => {
                write!(f, "the parameter {name:?} has no meaning with this scheme")
            }
            Self::Encoding => f.write_str("a part is not percent-encoded UTF-8"),
        }
    }
}

impl Error for RedisUrlError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Address(error) => Some(error),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(url: &RedisUrl) -> Vec<String> {
        url.addresses.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_url_names_one_server() {
        let url = RedisUrl::parse("redis://user:p%40ss@127.0.0.1:6380/3?protocol=resp3").unwrap();
        assert_eq!(addresses(&url), ["127.0.0.1:6380"]);
        assert!(matches!(url.kind, Kind::Single) && url.tls.is_none());
        let settings = &url.settings;
        assert_eq!((settings.username(), settings.password()), (Some("user"), Some("p@ss")));
        assert_eq!(settings.db(), 3);
        assert_eq!(addresses(&RedisUrl::parse("REDIS://[::1]").unwrap()), ["[::1]:6379"]);
        assert_eq!(addresses(&RedisUrl::parse("valkey://host/").unwrap()), ["host:6379"]);
        #[cfg(unix)]
        assert_eq!(addresses(&RedisUrl::parse("unix:///run/redis").unwrap()), ["/run/redis"]);
    }

    #[test]
    fn a_url_names_files_for_tls() {
        let url = "rediss://host?ca_file=/a%20b.pem&cert_file=c&key_file=k";
        let tls = RedisUrl::parse(url).unwrap().tls.unwrap();
        assert_eq!(tls.ca, Some("/a b.pem".into()));
        assert_eq!((tls.certificate, tls.key), (Some("c".into()), Some("k".into())));
    }

    #[test]
    fn a_url_names_sentinels_and_their_service() {
        let url = "rediss+sentinel://:p@a,b:1,[::1]/my%2Fmaster/2?sentinel_username=u\
                   &sentinel_password=s%26";
        let url = RedisUrl::parse(url).unwrap();
        assert_eq!(addresses(&url), ["a:26379", "b:1", "[::1]:26379"]);
        assert_eq!((url.settings.password(), url.settings.db()), (Some("p"), 2));
        assert!(url.tls.is_some());
        let Kind::Sentinel { service, settings } = url.kind else { panic!("{url:?}") };
        assert_eq!(service, "my/master");
        assert_eq!((settings.username(), settings.password()), (Some("u"), Some("s&")));
    }

    #[test]
    fn a_url_names_servers_of_a_cluster() {
        let url = RedisUrl::parse("redis+cluster://user:a,b@10.0.0.1, host:7001/").unwrap();
        assert_eq!(addresses(&url), ["10.0.0.1:6379", "host:7001"]);
        assert!(matches!(url.kind, Kind::Cluster));
        assert_eq!(url.settings.password(), Some("a,b"));
    }

    #[test]
    fn other_texts_are_refused_without_telling_a_password() {
        use RedisUrlError as E;
        let refused = |url: &str| {
            let error = RedisUrl::parse(url).err().unwrap_or_else(|| panic!("{url:?}"));
            assert!(!error.to_string().contains("secret"), "{url}: {error}");
            error
        };
        for url in ["", "127.0.0.1", "http://127.0.0.1", "redis+x://a", "unix+cluster:///a"] {
            assert!(matches!(refused(url), E::Scheme), "{url:?}");
        }
        for url in
            ["redis://", "redis+cluster://a,", "redis://a:x", "redis://a/x", "redis://0.0.0.0"]
        {
            assert!(matches!(refused(url), E::Address(_)), "{url:?}");
        }
        assert!(matches!(refused("redis://:secret@a,b"), E::SeveralAddresses));
        assert!(matches!(refused("redis+sentinel://:secret@a"), E::NoService));
        assert!(matches!(refused("redis+cluster://a/1"), E::PathOfCluster));
        assert!(matches!(refused("rediss://:secret@a#insecure"), E::Fragment));
        for (url, expected) in [
            ("redis://a?ca_file=x", "ca_file"),
            ("rediss://a?sentinel_password=secret", "sentinel_password"),
            ("redis+sentinel://a/s?x", "x"),
            ("redis://a?protocol=resp2", "protocol"),
        ] {
            assert!(matches!(refused(url), E::Parameter { name } if name == expected), "{url}");
        }
        for url in ["redis+sentinel://a/%f", "rediss://a?ca_file=%zz", "rediss://a?ca_file=%ff"] {
            assert!(matches!(refused(url), E::Encoding), "{url}");
        }
        for url in ["redis://user:se/cret@host", "redis+cluster://user:sec?ret@host"] {
            assert!(matches!(refused(url), E::AtSign), "{url}");
            assert!(!refused(url).to_string().contains("ret"), "{url}");
        }
    }
}
