//! Who may use the hub.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sockeye_hub::token::{Revocations, TokenVerifier};

use super::HubArguments;
use crate::host::{Hosting, tls};

/// Who may use the hub.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// No client: the server is reachable from other machines, and no flag says who may use the
    /// hub.
    Off,
    /// Programs on this machine: nothing says that the server is meant for others.
    Private,
    /// Anybody who can reach the port.
    Anybody,
    /// Clients with a token.
    Tokens(TokenVerifier),
}

/// The text of a refusal while the hub is [off](Access::Off).
const OFF: &str = "The hub is off, because this server is not for this machine alone. \
     To admit clients with tokens, start it with --hub-secret-file or --hub-jwks-file; to admit \
     anybody, with --no-auth.\n";

/// The headers with which a proxy reports that it has passed a request on.
const HEADERS_OF_PROXIES: [&str; 5] =
    ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

impl Access {
    /// Decides who may use the hub of a server that listens on `bound`, unless their tokens are
    /// among the `revocations`.
    ///
    /// # Errors
    /// When a file of keys or the certificate cannot be used, or a flag needs the hub, which is
    /// off.
    pub(crate) fn new(
        hub: &HubArguments,
        hosting: &Hosting,
        bound: SocketAddr,
        revocations: &Revocations,
    ) -> anyhow::Result<Self> {
        if let Some(verifier) = verifier(hub)? {
            return Ok(Self::Tokens(verifier.revocations(revocations.clone())));
        }
        if hub.no_auth {
            return Ok(Self::Anybody);
        }
        let names = match &hosting.tls_cert {
            Some(cert) => tls::dns_names(cert)?,
            None => Vec::new(),
        };
        if is_private(hosting, bound, &names) {
            return Ok(Self::Private);
        }
        if let Some(flag) = hub.needs_hub() {
            bail!(
                "{flag} needs the hub, which is off: other machines can reach {}, and nothing says \
                 who may use the hub; add --hub-secret-file or --hub-jwks-file to admit clients \
                 with tokens, or --no-auth to admit anybody",
                hosting.listen
            );
        }
        Ok(Self::Off)
    }

    /// Returns whether the hub is off for a request with these headers. A proxy on this machine
    /// passes requests from elsewhere on, which are not those of this machine.
    pub(crate) fn is_off(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Off => true,
            Self::Private => HEADERS_OF_PROXIES.iter().any(|name| headers.contains_key(*name)),
            Self::Anybody | Self::Tokens(_) => false,
        }
    }
}

/// Returns the response to a request for which the hub is off.
pub(crate) fn off() -> Response {
    (StatusCode::FORBIDDEN, OFF).into_response()
}

/// Returns whether only programs on this machine are meant to reach the server. A proxy or another
/// host name, also in the certificate, means that others do, through the loopback address.
fn is_private(hosting: &Hosting, bound: SocketAddr, certificate_names: &[String]) -> bool {
    bound.ip().is_loopback()
        && hosting.trust_proxy.is_empty()
        && hosting.allow_host.is_empty()
        && certificate_names.iter().all(|name| is_localhost(name))
}

fn is_localhost(name: &str) -> bool {
    // The names below localhost are those of this machine (RFC 6761, 6.3).
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

fn verifier(hub: &HubArguments) -> anyhow::Result<Option<TokenVerifier>> {
    let verifier = match (&hub.hub_secret_file, &hub.hub_jwks_file) {
        (Some(file), _) => {
            let secret = read_secret(file)?;
            TokenVerifier::hmac(&secret)
                .with_context(|| format!("cannot use the secret in {}", file.display()))?
        }
        (None, Some(file)) => TokenVerifier::jwks(&read(file)?)
            .with_context(|| format!("cannot use the keys in {}", file.display()))?,
        (None, None) => match (&hub.hub_audience, &hub.hub_issuer) {
            (None, None) => return Ok(None),
            (audience, _) => bail!(
                "{} needs tokens; add --hub-secret-file or --hub-jwks-file",
                if audience.is_some() { "--hub-audience" } else { "--hub-issuer" }
            ),
        },
    };
    let verifier = match &hub.hub_audience {
        Some(audience) => verifier.audience(audience),
        None => verifier,
    };
    Ok(Some(match &hub.hub_issuer {
        Some(issuer) => verifier.issuer(issuer),
        None => verifier,
    }))
}

/// Returns the secret in a file, without the end of its line, which editors and `echo` add.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn read_secret(file: &Path) -> anyhow::Result<Vec<u8>> {
    let secret = read(file)?;
    // Further white space is a part of the secret: other programs keep it.
    let line = secret.strip_suffix(b"\n").map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(line.unwrap_or(&secret).to_vec())
}

/// Reads a file.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn a_secret_loses_one_line_end_only() {
        let file = std::env::temp_dir().join(format!("sockeye-secret-{}", std::process::id()));
        for (text, secret) in [
            ("secret", "secret"),
            ("secret\n", "secret"),
            ("secret\r\n", "secret"),
            ("secret \n\n", "secret \n"),
            (" secret\t", " secret\t"),
        ] {
            std::fs::write(&file, text).unwrap();
            assert_eq!(read_secret(&file).unwrap(), secret.as_bytes(), "{text:?}");
        }
        std::fs::remove_file(&file).unwrap();
    }
}
