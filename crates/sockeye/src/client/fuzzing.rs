//! Parsers that are within the client, for the fuzz targets.

use http::HeaderValue;
use sockeye_proto::handshake::{RequestError, Url};

use super::ConnectError;
use super::proxy::{Environment, Proxy};
use super::redirect;

/// The proxy that `variable` of the environment names for the URL, where `no_proxy` makes no exception.
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

/// Where a `Location` leads that came in the answer from `base`.
///
/// # Errors
/// When it leads to no place of a WebSocket.
pub fn redirected(base: &Url, location: &HeaderValue) -> Result<Url, RequestError> {
    redirect::resolve(base, location)
}
