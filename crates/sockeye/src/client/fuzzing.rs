//! Parsers within the client, exposed to the fuzz targets.

use http::HeaderValue;
use sockeye_proto::handshake::{RequestError, Url};

use super::ConnectError;
use super::proxy::{Environment, Proxy};
use super::redirect;

/// Returns the proxy that `variable` of the environment names for the URL, unless `no_proxy` makes
/// an exception.
///
/// # Errors
/// [`ConnectError::ProxyVariable`] when the variable is not the URL of a proxy.
pub fn proxy(variable: &str, no_proxy: &str, url: &Url) -> Result<Option<Proxy>, ConnectError> {
    let environment = Environment::read(|name| match name {
        "all_proxy" => Some(variable.to_owned()),
        "no_proxy" => Some(no_proxy.to_owned()),
        _ => None,
    });
    environment.proxy(url).map(Option::<&Proxy>::cloned)
}

/// Resolves a `Location` header in a response from `base`.
///
/// # Errors
/// [`RequestError`] when the target is not a WebSocket URL.
pub fn redirected(base: &Url, location: &HeaderValue) -> Result<Url, RequestError> {
    redirect::resolve(base, location)
}
