//! Who may use the hub.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context, bail};
use sockeye_hub::token::{Revocations, TokenVerifier};

use super::HubArguments;
use crate::host::Hosting;

/// Who may use the hub.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// Nobody: the server is reachable from other machines, and no flag says who may use the hub.
    Off,
    /// Anybody who can reach the port.
    Anybody,
    /// Clients with a token.
    Tokens(TokenVerifier),
}

/// The text of a refusal while the hub is [off](Access::Off).
pub(crate) const OFF: &str = "The hub is off, because this server is not for this machine alone. \
     To admit clients with tokens, start it with --hub-secret-file or --hub-jwks-file; to admit \
     anybody, with --no-auth.\n";

impl Access {
    /// Decides who may use the hub of a server that listens on `bound`, unless their tokens are
    /// among the `revocations`.
    ///
    /// # Errors
    /// When a file of keys cannot be used, or a flag needs the hub, which is off.
    pub(crate) fn new(
        hub: &HubArguments,
        hosting: &Hosting,
        bound: SocketAddr,
        revocations: &Revocations,
    ) -> anyhow::Result<Self> {
        if let Some(verifier) = verifier(hub)? {
            return Ok(Self::Tokens(verifier.revocations(revocations.clone())));
        }
        if hub.no_auth || is_private(hosting, bound) {
            return Ok(Self::Anybody);
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
}

/// Returns whether only programs on this machine are meant to reach the server. A proxy or another
/// host name means that others do, through the loopback address.
fn is_private(hosting: &Hosting, bound: SocketAddr) -> bool {
    bound.ip().is_loopback() && hosting.trust_proxy.is_empty() && hosting.allow_host.is_empty()
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
    let mut secret = read(file)?;
    let end = secret.trim_ascii_end().len();
    secret.truncate(end);
    Ok(secret)
}

/// Reads a file.
///
/// # Errors
/// A sentence that names the file.
pub(crate) fn read(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
