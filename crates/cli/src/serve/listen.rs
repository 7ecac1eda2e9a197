//! The address: taking it, and writing it down for people.

use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;

/// Listens on `address`, a name or an IP address with its port.
///
/// # Errors
/// A sentence that says which address could not be had, why, and what to do.
pub(crate) async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {}", explain(&error)))
}

fn explain(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => "another program holds this address; stop that program, choose \
             another port, or let the system pick a free one with --listen 127.0.0.1:0"
            .to_owned(),
        ErrorKind::AddrNotAvailable => "this machine has no such address; 127.0.0.1 is for this \
             machine only, 0.0.0.0 and [::] are for every address it has"
            .to_owned(),
        ErrorKind::PermissionDenied => "the system does not allow it; ports below 1024 usually \
             need privileges, others such as --listen 127.0.0.1:8080 do not"
            .to_owned(),
        _ => error.to_string(),
    }
}

/// The address as a URL that a browser on this machine can open.
pub(crate) fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    match address.ip() {
        // Listening everywhere is an address nobody can open.
        IpAddr::V4(ip) if ip.is_unspecified() => {
            format!("{scheme}://127.0.0.1:{}/", address.port())
        }
        IpAddr::V6(ip) if ip.is_unspecified() => format!("{scheme}://[::1]:{}/", address.port()),
        _ => format!("{scheme}://{address}/"),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_url_can_be_opened_whatever_is_listened_on() {
        let url = |address: &str, tls| super::url(address.parse().unwrap(), tls);
        assert_eq!(url("127.0.0.1:8080", false), "http://127.0.0.1:8080/");
        assert_eq!(url("0.0.0.0:80", false), "http://127.0.0.1:80/");
        assert_eq!(url("[::1]:8443", true), "https://[::1]:8443/");
        assert_eq!(url("[::]:8443", true), "https://[::1]:8443/");
    }
}
