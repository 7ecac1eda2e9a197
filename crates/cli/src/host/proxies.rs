//! The proxies that are trusted to report a client's address.

use sockeye::upgrade::{ForwardedHeader, TrustedProxies};

use super::{ClientHeader, Hosting};

/// Returns the trusted proxies that the flags name.
///
/// # Errors
/// When a `--trust-proxy` is not an IP network.
pub(crate) fn trusted(flags: &Hosting) -> anyhow::Result<TrustedProxies> {
    let proxies = TrustedProxies::new(&flags.trust_proxy)?.proxy_protocol(flags.proxy_protocol);
    Ok(match flags.client_header {
        None => proxies,
        Some(ClientHeader::XForwardedFor) => proxies.header(ForwardedHeader::XForwardedFor),
        Some(ClientHeader::Forwarded) => proxies.header(ForwardedHeader::Forwarded),
    })
}
