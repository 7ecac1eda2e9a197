//! UDP ASSOCIATE of SOCKS5 (RFC 1928 section 7): a socket for the datagrams of a client, with a stream
//! for each target. The association ends with the client's connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UdpSocket;
use tracing::debug;

use super::flows::Flows;
use super::link::Link;
use super::socks;
use super::udp::{self, Receiver};
use crate::commands::tunnel::datagrams;
use crate::commands::tunnel::protocol::{Kind, Request};
use crate::commands::tunnel::socket::Socket;

/// Length of the fields before the address of a datagram: two reserved bytes, and the number of the
/// fragment.
const PREFIX: usize = 3;

/// Serves an association until the client ends its connection.
pub(super) async fn serve(mut control: Box<dyn Socket>, link: &Link, idle_timeout: Duration) {
    let opened = match control.addresses() {
        Some([local, peer]) => open(local, peer).await,
        // A client that came by a Unix socket has no address for datagrams.
        None => None,
    };
    let Some((mut association, address)) = opened else {
        let _ = control.write_all(&socks::not_associated()).await;
        let _ = control.shutdown().await;
        return;
    };
    if control.write_all(&socks::associated(address)).await.is_err() {
        return;
    }
    let ended = async {
        let mut ignored = [0; 64];
        while control.read(&mut ignored).await.is_ok_and(|length| length > 0) {}
    };
    tokio::select! {
        () = ended => {}
        () = association.serve(link, idle_timeout) => {}
    }
}

/// Opens the socket, at the address to which the client has connected.
async fn open(local: SocketAddr, peer: SocketAddr) -> Option<(Association, SocketAddr)> {
    let socket = UdpSocket::bind((local.ip(), 0)).await.ok()?;
    let address = socket.local_addr().ok()?;
    Some((Association { socket: Arc::new(socket), peer, client: None }, address))
}

struct Association {
    socket: Arc<UdpSocket>,
    /// The address of the client's connection.
    peer: SocketAddr,
    /// The address of the client's datagrams, that of its first one.
    client: Option<SocketAddr>,
}

/// A datagram of the client.
#[derive(Debug, PartialEq, Eq)]
struct Datagram<'a> {
    /// The fields before the data, with which the answers of the target begin, too.
    header: &'a [u8],
    host: String,
    port: u16,
    data: &'a [u8],
}

impl Association {
    async fn serve(&mut self, link: &Link, idle_timeout: Duration) {
        // By the fields before the data, which name the target.
        let mut flows: Flows<Vec<u8>> = Flows::new();
        let mut buffer = vec![0; datagrams::MAX_LENGTH];
        loop {
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    // An error is that of an earlier datagram, whose receiver has gone.
                    let Ok((length, from)) = received else { continue };
                    if !self.is_client(from) {
                        debug!(%from, "a datagram of another program was dropped");
                        continue;
                    }
                    let Some(datagram) = parse(&buffer[..length]).await else { continue };
                    self.client = Some(from);
                    if !flows.contains(datagram.header) {
                        let (host, port) = (&datagram.host, datagram.port);
                        let Ok(request) = Request::new(Kind::Udp, 0, host, port) else { continue };
                        if flows.are_full() {
                            debug!("a datagram was dropped: too many targets");
                            continue;
                        }
                        let (socket, link) = (Arc::clone(&self.socket), link.clone());
                        let header = datagram.header.to_vec();
                        let answers = Receiver { socket, peer: from, header };
                        flows.begin(datagram.header.to_vec(), |datagrams| async move {
                            let idle = idle_timeout;
                            udp::serve_flow(&answers, &request, datagrams, &link, idle).await;
                        });
                    }
                    flows.send(datagram.header, datagram.data);
                }
                () = flows.forget_ended() => {}
            }
        }
    }

    /// Returns whether a datagram from this address is one of the client.
    fn is_client(&self, from: SocketAddr) -> bool {
        match self.client {
            Some(client) => client == from,
            None => self.peer.ip().to_canonical() == from.ip().to_canonical(),
        }
    }
}

/// Parses a datagram; `None` for a fragment and for one that is invalid.
async fn parse(datagram: &[u8]) -> Option<Datagram<'_>> {
    let (prefix, mut rest) = datagram.split_at_checked(PREFIX)?;
    // "An implementation that does not support fragmentation MUST drop any datagram whose FRAG field
    // is other than X'00'."
    if prefix[2] != 0 {
        return None;
    }
    let (host, port) = socks::read_address(&mut rest).await.ok()??;
    let (header, data) = datagram.split_at(datagram.len() - rest.len());
    Some(Datagram { header, host, port, data })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn fragments_and_incomplete_datagrams_are_dropped() {
        let whole = b"\0\0\0\x03\x06a.test\x00\x35data";
        let (header, data) = whole.split_at(whole.len() - 4);
        let expected = Datagram { header, host: "a.test".to_owned(), port: 53, data };
        assert_eq!(parse(whole).await, Some(expected));
        for length in 0..header.len() {
            assert_eq!(parse(&whole[..length]).await, None, "{length}");
        }
        assert!(parse(header).await.is_some_and(|datagram| datagram.data.is_empty()));
        let fragment = [&b"\0\0\x01"[..], &whole[3..]].concat();
        assert_eq!(parse(&fragment).await, None);
        let unknown = [&b"\0\0\0\x02"[..], &whole[4..]].concat();
        assert_eq!(parse(&unknown).await, None);
    }
}
