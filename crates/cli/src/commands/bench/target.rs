//! The server under test: its URL, address and TLS.

use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use sockeye::http::Uri;
use sockeye_load::{Load, LoadError, PayloadKind, REPLY_TIMEOUT};

use super::arguments::Bench;
use crate::client::{Failure, FailureKind, tls};
use crate::units::without_brackets;

/// A server, with the first address of its name that accepts connections.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) url: String,
    host: String,
    path: String,
    address: SocketAddr,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
}

impl Target {
    /// Parses `url` and resolves its host.
    pub(super) fn resolve(url: &str, options: &Bench) -> Result<Self, Failure> {
        let invalid = || {
            Failure::usage(format!(
                "{url:?} is not a URL such as ws://localhost:8080/echo or wss://example.com/echo"
            ))
        };
        let uri: Uri = url.parse().map_err(|_| invalid())?;
        let is_encrypted = match uri.scheme_str().map(str::to_ascii_lowercase).as_deref() {
            Some("ws" | "http") => false,
            Some("wss" | "https") => true,
            _ => return Err(invalid()),
        };
        let authority = uri.authority().ok_or_else(invalid)?;
        if authority.as_str().contains('@') {
            return Err(Failure::usage(
                "the URL must not have a user name; send it with -H 'Authorization: Basic …'",
            ));
        }
        let host = authority.host();
        let name = without_brackets(host);
        let port = uri.port_u16().unwrap_or(if is_encrypted { 443 } else { 80 });
        let resolved = (name, port).to_socket_addrs();
        let resolved = resolved
            .map_err(|error| Failure::resolve(format!("cannot resolve {name}: {error}")))?;
        let address = reachable(&resolved.collect::<Vec<_>>())
            .ok_or_else(|| Failure::resolve(format!("{name} has no address")))?;
        let tls = if is_encrypted {
            let config = tls::client_config(options.insecure, options.cacert.as_deref(), None)?;
            let name = ServerName::try_from(name.to_owned()).map_err(|_| invalid())?;
            Some((Arc::new(config), name))
        } else {
            None
        };
        Ok(Self {
            url: url.to_owned(),
            host: authority.to_string(),
            // Displayed, the path of a URL with a query alone begins with a slash.
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            address,
            tls,
        })
    }

    /// Returns the load on this server, without times.
    pub(super) fn load(&self, options: &Bench) -> Load {
        let payload = if options.text { PayloadKind::Json } else { PayloadKind::Binary };
        let mut load = Load::new(self.address)
            .host(&self.host)
            .path(&self.path)
            .connections(options.connections)
            .length(options.size)
            .payload(payload);
        for (name, value) in &options.headers {
            load = load.header(name, value);
        }
        if let Some((config, name)) = &self.tls {
            load = load.tls(Arc::clone(config), name.clone());
        }
        load
    }

    /// Returns the failure for an error of a test, with its exit code and a hint.
    pub(super) fn explain(&self, error: LoadError) -> Failure {
        let text = format!("{}: {error}", self.url);
        let cause = match error {
            LoadError::Connection { error, .. } => *error,
            error => error,
        };
        match cause {
            LoadError::HandshakeRefused { status: Some(404) } => {
                Failure::refused(format!("{text}; sockeye serve has its echo at /echo"))
            }
            LoadError::HandshakeRefused { status: None } if self.tls.is_none() => {
                Failure::protocol(format!("{text}; does it speak TLS, as in wss://?"))
            }
            LoadError::HandshakeIo(error) if tls::is_no_tls(&error) => {
                Failure::tls(format!("{text}; {}", tls::NO_TLS))
            }
            LoadError::Closed | LoadError::ClosedWith { .. } | LoadError::Io(_) => {
                Failure::new(FailureKind::Lost, text)
            }
            LoadError::ReplyTimeout => Failure::new(FailureKind::Timeout, text),
            LoadError::Stopped => Failure::interrupted(text),
            LoadError::HandshakeRefused { status: Some(_) } => Failure::refused(text),
            LoadError::HandshakeRefused { status: None }
            | LoadError::HandshakeTooLong
            | LoadError::NoPong { .. }
            | LoadError::WrongAccept
            | LoadError::WrongExtension { .. } => Failure::protocol(text),
            LoadError::HandshakeIo(_) if self.tls.is_some() => Failure::tls(text),
            LoadError::Connect(_) | LoadError::HandshakeIo(_) => Failure::connect(text),
            LoadError::WrongByte { .. } | LoadError::WrongFrame { .. } | LoadError::EarlyData => {
                Failure::protocol(format!("{text}; the server has to echo every message"))
            }
            LoadError::InvalidHeader { .. }
            | LoadError::InvalidPath
            | LoadError::InvalidHost
            | LoadError::InvalidConnections { .. }
            | LoadError::InvalidInFlight { .. }
            | LoadError::MessageTooLong { .. }
            | LoadError::TooShortForFanOut { .. }
            | LoadError::NoRate
            | LoadError::DurationTooLong { .. } => Failure::usage(text),
            _ => Failure::other(text),
        }
    }
}

/// Returns the first of several addresses that accepts a connection, or else the first one: a
/// server on this machine often listens on one of the two addresses of `localhost`.
fn reachable(addresses: &[SocketAddr]) -> Option<SocketAddr> {
    let accepts = |address: &&SocketAddr| {
        addresses.len() > 1 && TcpStream::connect_timeout(address, REPLY_TIMEOUT).is_ok()
    };
    addresses.iter().find(accepts).or(addresses.first()).copied()
}
