//! Internal parsers of the client, exposed to the fuzz targets.

use http::HeaderValue;
use sockeye_proto::handshake::{RequestError, Url};

use super::ConnectError;
use super::proxy::{Environment, Proxy};
use super::redirect;

/// Returns the proxy for `url` if the environment variable `all_proxy` has the value `variable`,
/// unless `no_proxy`, the value of the variable of that name, excludes the URL.
///
/// # Errors
/// [`ConnectError::ProxyVariable`] if `variable` is not the URL of a proxy.
pub fn proxy(variable: &str, no_proxy: &str, url: &Url) -> Result<Option<Proxy>, ConnectError> {
    let environment = Environment::read(|name| match name {
        "all_proxy" => Some(variable.to_owned()),
        "no_proxy" => Some(no_proxy.to_owned()),
        _ => None,
    });
    environment.proxy(url).map(Option::<&Proxy>::cloned)
}

/// Resolves the `Location` header of a response to a request for `base`.
///
/// # Errors
/// [`RequestError`] if the target is not a WebSocket URL.
pub fn redirected(base: &Url, location: &HeaderValue) -> Result<Url, RequestError> {
    redirect::resolve(base, location)
}
