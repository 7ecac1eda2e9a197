//! The clients that may use the hub.

use std::net::SocketAddr;

use anyhow::bail;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use sockeye_hub::token::{Revocations, TokenVerifier};

use super::HubArguments;
use crate::host::token::TokenFlags;
use crate::host::{Hosting, exposure};

/// The clients that may use the hub.
#[derive(Clone, Debug)]
pub(crate) enum Access {
    /// No client: the server is reachable from other machines, and no flag says who may use the
    /// hub.
    Off,
    /// Programs on this machine: nothing says that the server is meant for others.
    Private,
    /// All clients that can reach the port.
    Anybody,
    /// Clients with a token.
    Tokens(TokenVerifier),
}

/// The text of a refusal while the hub is [off](Access::Off).
const OFF: &str = "The hub is off, because this server is not for this machine alone. \
     To admit clients with tokens, start it with --hub-secret-file or --hub-jwks-file; to admit \
     anybody, with --no-auth.\n";

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
        let tokens = TokenFlags {
            prefix: "--hub",
            secret_file: hub.hub_secret_file.as_deref(),
            jwks_file: hub.hub_jwks_file.as_deref(),
            audience: hub.hub_audience.as_deref(),
            issuer: hub.hub_issuer.as_deref(),
        };
        if let Some(verifier) = tokens.verifier()? {
            return Ok(Self::Tokens(verifier.revocations(revocations.clone())));
        }
        if hub.no_auth {
            return Ok(Self::Anybody);
        }
        if exposure::is_private(hosting, bound)? {
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

    /// Returns whether the hub is off for a request with these headers.
    pub(crate) fn is_off(&self, headers: &HeaderMap) -> bool {
        match self {
            Self::Off => true,
            Self::Private => exposure::came_through_a_proxy(headers),
            Self::Anybody | Self::Tokens(_) => false,
        }
    }
}

/// Returns the response to a request for which the hub is off.
pub(crate) fn off() -> Response {
    (StatusCode::FORBIDDEN, OFF).into_response()
}
