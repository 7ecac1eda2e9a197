//! Connector of a load: TCP, TLS if the load has it, and the opening handshake, one connection
//! after the other.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::ClientConnection;
use socket2::{Domain, Protocol, Socket, Type};

use crate::error::LoadError;
use crate::handshake;
use crate::limits::REPLY_TIMEOUT;
use crate::load::{Load, WireProtocol};
use crate::progress::ProgressReporter;
use crate::socket_io;
use crate::transport::Transport;

/// Number of connections from one address, far below the number of its ports.
const CONNECTIONS_PER_ADDRESS: usize = 2000;

/// Opens the connections of `load`. Their sockets are blocking and have a timeout.
pub(crate) fn open_all(
    load: &Load,
    progress: &mut ProgressReporter<'_>,
) -> Result<Vec<Transport<TcpStream>>, LoadError> {
    open(load, load.connections, progress, |_| connect(load.address))
}

/// Opens `count` connections as [`open_all`] does, but to a server on this machine from several
/// addresses, because the ports of one address are limited.
pub(crate) fn open_from_many_addresses(
    load: &Load,
    count: usize,
    progress: &mut ProgressReporter<'_>,
) -> Result<Vec<Transport<TcpStream>>, LoadError> {
    open(load, count, progress, |index| match load.address {
        SocketAddr::V4(address) if address.ip().is_loopback() && cfg!(target_os = "linux") => {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
            let source = SocketAddr::new(IpAddr::V4(source_address(index)), 0);
            socket.bind(&source.into())?;
            socket.connect_timeout(&load.address.into(), REPLY_TIMEOUT)?;
            Ok(socket.into())
        }
        address => connect(address),
    })
}

/// Opens a TCP connection.
pub(crate) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    TcpStream::connect_timeout(&address, REPLY_TIMEOUT)
}

fn open(
    load: &Load,
    count: usize,
    progress: &mut ProgressReporter<'_>,
    connect: impl Fn(usize) -> io::Result<TcpStream>,
) -> Result<Vec<Transport<TcpStream>>, LoadError> {
    let mut transports = Vec::with_capacity(count);
    for index in 0..count {
        let connected = connect(index).map_err(LoadError::from);
        let upgraded = connected.and_then(|tcp| upgrade(load, tcp));
        transports.push(upgraded.map_err(|error| error.on(index))?);
        progress.update_opening(transports.len());
    }
    Ok(transports)
}

/// Performs the TLS handshake, if the load has TLS, and the opening handshake of the
/// load's protocol.
pub(crate) fn upgrade(load: &Load, tcp: TcpStream) -> Result<Transport<TcpStream>, LoadError> {
    let (transport, early) = upgrade_with_early_data(load, tcp)?;
    if early.is_empty() { Ok(transport) } else { Err(LoadError::EarlyData) }
}

/// Performs the handshakes as [`upgrade`] does, and returns also the bytes that arrived together
/// with the server's answer.
pub(crate) fn upgrade_with_early_data(
    load: &Load,
    tcp: TcpStream,
) -> Result<(Transport<TcpStream>, Vec<u8>), LoadError> {
    tcp.set_nodelay(true)?;
    tcp.set_read_timeout(Some(REPLY_TIMEOUT))?;
    tcp.set_write_timeout(Some(REPLY_TIMEOUT))?;
    let mut transport = match &load.tls {
        None => Transport::Plain(tcp),
        Some((config, name)) => {
            let session = ClientConnection::new(Arc::clone(config), name.clone());
            Transport::tls(session.map_err(LoadError::Tls)?, tcp)
        }
    };
    let Load { host, path, headers, deflate, .. } = load;
    let early = match load.protocol {
        WireProtocol::Raw => Vec::new(),
        WireProtocol::WebSocket => {
            handshake::upgrade_with_early_data(&mut transport, host, path, headers, *deflate)?
        }
        WireProtocol::SocketIo => {
            socket_io::connect(&mut transport, host, path, headers)?;
            Vec::new()
        }
    };
    Ok((transport, early))
}

/// Returns the source address of connection `index`: 127.0.0.2 and upwards.
fn source_address(index: usize) -> Ipv4Addr {
    let host = u8::try_from(2 + index / CONNECTIONS_PER_ADDRESS).unwrap_or(u8::MAX - 1);
    Ipv4Addr::new(127, 0, 0, host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_connections_come_from_five_addresses() {
        assert_eq!(source_address(0), Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(source_address(9_999), Ipv4Addr::new(127, 0, 0, 6));
        assert_eq!(source_address(usize::MAX), Ipv4Addr::new(127, 0, 0, 254));
    }
}
