use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

/// Maximum number of connections that wait to be accepted: the default of the system's own limit on
/// Linux (`net.core.somaxconn`).
const ACCEPT_BACKLOG: i32 = 4096;

/// Binds listeners to one address, one for each worker.
///
/// On Linux, which distributes connections over the sockets that share a port, each worker has its
/// own socket. Elsewhere all workers share one.
pub(super) fn bind(
    address: impl ToSocketAddrs,
    workers: usize,
    shared_port: bool,
) -> io::Result<Vec<TcpListener>> {
    let mut last_error = io::Error::new(io::ErrorKind::InvalidInput, "no address to listen on");
    for address in address.to_socket_addrs()? {
        match bind_one(address, workers, shared_port) {
            Ok(listeners) => return Ok(listeners),
            Err(error) => last_error = error,
        }
    }
    Err(last_error)
}

fn bind_one(
    address: SocketAddr,
    workers: usize,
    shared_port: bool,
) -> io::Result<Vec<TcpListener>> {
    let distributes = cfg!(target_os = "linux");
    if !distributes || (workers == 1 && !shared_port) {
        let first = listen(address, shared_port)?;
        let mut listeners = Vec::with_capacity(workers);
        for _ in 1..workers {
            listeners.push(first.try_clone()?);
        }
        listeners.push(first);
        return Ok(listeners);
    }
    if !shared_port && address.port() != 0 {
        // `SO_REUSEPORT` shares the port with every program of the same user that sets it too. A
        // first bind without the option fails if the port is in use.
        drop(listen(address, false)?);
    }
    let first = listen(address, true)?;
    let address = first.local_addr()?;
    let mut listeners = vec![first];
    while listeners.len() < workers {
        listeners.push(listen(address, true)?);
    }
    Ok(listeners)
}

fn listen(address: SocketAddr, shared_port: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if shared_port {
        socket.set_reuse_port(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SockAddr::from(address))?;
    socket.listen(ACCEPT_BACKLOG)?;
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_that_is_taken_is_refused_unless_it_is_shared() {
        let alone = bind("127.0.0.1:0", 1, false).unwrap();
        let address = alone[0].local_addr().unwrap();
        for workers in [1, 2] {
            let error = bind(address, workers, false).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
        }
        let several = bind("127.0.0.1:0", 3, false).unwrap();
        let address = several[0].local_addr().unwrap();
        assert_eq!(several.len(), 3);
        assert!(several.iter().all(|listener| listener.local_addr().unwrap() == address));
        assert_eq!(bind(address, 2, false).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        bind(address, 2, true).unwrap();
    }
}
