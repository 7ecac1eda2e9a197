//! The PROXY header with which a client begins its connections, as load balancers do.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use super::Client;

/// The client that the PROXY header names.
#[derive(Clone, Copy, Debug)]
pub(super) enum Announcement {
    /// The own address of the connection.
    Own,
    /// Another address.
    Of(SocketAddr),
}

impl Client {
    /// Begins each connection with a PROXY header of version 1 that names `client` as the client,
    /// or the own address if it is `None`. A server that expects such headers, such as one behind
    /// `HAProxy`, takes the address of the client from the header.
    ///
    /// The header comes before TLS, and after the reply of a proxy. It is not sent over Unix
    /// sockets or by [`handshake`](Self::handshake).
    pub fn proxy_header(self, client: Option<SocketAddr>) -> Self {
        let announcement = client.map_or(Announcement::Own, Announcement::Of);
        Self { announcement: Some(announcement), ..self }
    }
}

impl Announcement {
    /// Writes the header to a new connection. It fits into the empty buffer of the socket, so that
    /// the write needs no timeout.
    pub(super) async fn write(self, stream: &mut TcpStream) -> io::Result<()> {
        let client = match self {
            Self::Own => stream.local_addr()?,
            Self::Of(client) => client,
        };
        stream.write_all(header(client, stream.peer_addr()?).as_bytes()).await
    }
}

/// Returns the header ("The PROXY protocol", section 2.1). Its addresses are of one family.
fn header(client: SocketAddr, server: SocketAddr) -> String {
    let (family, from, to) = match (client.ip().to_canonical(), server.ip().to_canonical()) {
        (IpAddr::V4(from), IpAddr::V4(to)) => ("TCP4", IpAddr::V4(from), IpAddr::V4(to)),
        (from, to) => ("TCP6", mapped(from), mapped(to)),
    };
    format!("PROXY {family} {from} {to} {} {}\r\n", client.port(), server.port())
}

fn mapped(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(address) => IpAddr::V6(address.to_ipv6_mapped()),
        IpAddr::V6(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_a_header_are_of_one_family() {
        for (client, server, expected) in [
            ("192.0.2.7:5", "127.0.0.1:80", "PROXY TCP4 192.0.2.7 127.0.0.1 5 80\r\n"),
            ("[::ffff:192.0.2.7]:5", "127.0.0.1:80", "PROXY TCP4 192.0.2.7 127.0.0.1 5 80\r\n"),
            ("[2001:db8::1]:5", "[::1]:80", "PROXY TCP6 2001:db8::1 ::1 5 80\r\n"),
            ("192.0.2.7:0", "[::1]:80", "PROXY TCP6 ::ffff:192.0.2.7 ::1 0 80\r\n"),
        ] {
            assert_eq!(header(client.parse().unwrap(), server.parse().unwrap()), expected);
        }
    }
}
