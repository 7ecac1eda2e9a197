//! The listening address: binds it, and formats it for display.

pub(crate) mod place;

use std::io::{ErrorKind, Write as _};
use std::net::{IpAddr, SocketAddr};

use tokio::net::TcpListener;
use tracing::info;

/// Listens on `address`, a name or an IP address with its port.
///
/// # Errors
/// A sentence that names the address, the cause and the remedy.
pub(crate) async fn bind(address: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|error| anyhow::anyhow!("cannot listen on {address}: {}", describe(&error)))
}

fn describe(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::AddrInUse => "another program uses this address; stop that program, choose \
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

/// Prints the URL of a server that listens on `address`, for users to open and programs to parse.
pub(crate) fn announce(address: SocketAddr, tls: bool) {
    print_line(&format!("Sockeye listens on {}", url(address, tls)));
    info!(%address, tls, "started");
}

/// Prints a line on standard output. A closed standard output is no reason to stop serving.
pub(crate) fn print_line(line: &str) {
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Returns the host of `listen` if it is a name and not an IP address.
pub(crate) fn name(listen: &str) -> Option<&str> {
    let place::Place::Address(listen) = place::Place::of(listen) else { return None };
    let (host, _) = listen.rsplit_once(':')?;
    let is_address = host.starts_with('[') || host.parse::<IpAddr>().is_ok();
    (!is_address).then_some(host)
}

/// Returns the addresses at which a listener is reached: the address it is bound to or, if it is
/// bound to all, the addresses of this machine that have a route to other hosts.
pub(crate) fn addresses(bound: SocketAddr) -> Vec<IpAddr> {
    if !bound.ip().is_unspecified() {
        return vec![bound.ip()];
    }
    // Connecting a UDP socket sends nothing, and selects its source address. The targets are
    // addresses for documentation (RFC 5737, RFC 3849), whose route is the default route.
    let probes = [("0.0.0.0:0", "192.0.2.1:9"), ("[::]:0", "[2001:db8::1]:9")];
    let probes = probes.iter().filter_map(|(from, to)| {
        let socket = std::net::UdpSocket::bind(from).ok()?;
        socket.connect(to).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    probes.filter(|ip| bound.is_ipv6() || ip.is_ipv4()).collect()
}

/// Returns the URL at which a browser on this machine can open the address.
pub(crate) fn url(address: SocketAddr, tls: bool) -> String {
    let scheme = if tls { "https" } else { "http" };
    match address.ip() {
        // A browser cannot open the unspecified address.
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
    fn a_host_name_is_distinguished_from_an_ip_address() {
        for (listen, name) in [
            ("example.com:80", Some("example.com")),
            ("127.0.0.1:80", None),
            ("0.0.0.0:80", None),
            ("[::1]:80", None),
            ("unix:/run/a:b", None),
            ("systemd:http", None),
        ] {
            assert_eq!(super::name(listen), name, "{listen}");
        }
    }

    #[test]
    fn a_listener_is_reached_at_the_address_it_is_bound_to() {
        let addresses = |bound: &str| super::addresses(bound.parse().unwrap());
        assert_eq!(addresses("127.0.0.2:1"), ["127.0.0.2".parse::<std::net::IpAddr>().unwrap()]);
        // The addresses depend on the machine.
        assert!(addresses("0.0.0.0:1").iter().all(|ip| ip.is_ipv4() && !ip.is_unspecified()));
    }

    #[test]
    fn a_browser_can_open_the_url_of_every_listening_address() {
        let url = |address: &str, tls| super::url(address.parse().unwrap(), tls);
        assert_eq!(url("127.0.0.1:8080", false), "http://127.0.0.1:8080/");
        assert_eq!(url("0.0.0.0:80", false), "http://127.0.0.1:80/");
        assert_eq!(url("[::1]:8443", true), "https://[::1]:8443/");
        assert_eq!(url("[::]:8443", true), "https://[::1]:8443/");
    }
}
