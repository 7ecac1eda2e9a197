//! UDP for a client: one socket for each stream.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use sockeye::mux::{RecvStream, SendStream};
use tokio::io::AsyncWriteExt as _;
use tokio::net::UdpSocket;

use super::client::Client;
use super::record::Record;
use super::target;
use crate::commands::tunnel::datagrams;
use crate::commands::tunnel::protocol::{self, Answer, Request};
use crate::commands::tunnel::relay::{Counts, End, Stream};

/// Serves the datagrams of a stream until its end, or until it is idle.
pub(super) async fn serve(
    client: &Client,
    request: &Request,
    mut stream: Stream,
    record: &mut Record,
) {
    let service = client.service();
    let connected = async {
        let addresses = target::resolve(&service, request).await?;
        connect(&addresses).await.map_err(|error| target::failure(&request.target(), &error))
    };
    let (socket, address) = match connected.await {
        Ok(connected) => connected,
        Err(answer) => return record.refuse(stream, answer).await,
    };
    record.address = Some(address.to_string());
    let end = match stream.send.write_all(&Answer::ok().encode()).await {
        Ok(()) => relay(&socket, stream, &record.counts, service.udp_idle).await,
        Err(error) => End::Session(error),
    };
    record.end(&end);
}

/// Returns a socket that sends to, and receives from, the first address only.
async fn connect(addresses: &[SocketAddr]) -> io::Result<(UdpSocket, SocketAddr)> {
    let address = *addresses.first().ok_or(io::ErrorKind::NotFound)?;
    let any: IpAddr = match address {
        SocketAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        SocketAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    let socket = UdpSocket::bind((any, 0)).await?;
    socket.connect(address).await?;
    Ok((socket, address))
}

async fn relay(socket: &UdpSocket, stream: Stream, counts: &Counts, idle_timeout: Duration) -> End {
    let Stream { mut send, mut recv, .. } = stream;
    let end = tokio::select! {
        ended = to_target(&mut recv, socket, counts) => match ended {
            Ok(()) => End::Finished,
            Err(error) => End::of_stream(error),
        },
        error = from_target(socket, &mut send, counts) => End::of_stream(error),
        () = counts.wait_until_idle(Some(idle_timeout)) => End::Idle,
    };
    match end {
        End::Finished => drop(send.finish()),
        End::Idle => {
            send.reset(protocol::IDLE);
            recv.stop(protocol::IDLE);
        }
        _ => send.reset(protocol::CONNECTION_RESET),
    }
    end
}

async fn to_target(recv: &mut RecvStream, socket: &UdpSocket, counts: &Counts) -> io::Result<()> {
    let mut datagram = Vec::new();
    while datagrams::read(recv, &mut datagram).await? {
        // UDP is lossy: a datagram that cannot be sent is lost, and an error may be that of an
        // earlier one, which the target's machine refused.
        let _ = socket.send(&datagram).await;
        counts.add_received(datagram.len());
    }
    Ok(())
}

/// Returns the error that ends the stream.
async fn from_target(socket: &UdpSocket, send: &mut SendStream, counts: &Counts) -> io::Error {
    let mut buffer = vec![0; datagrams::MAX_LENGTH];
    loop {
        // The target's machine has refused an earlier datagram; the socket goes on.
        let Ok(length) = socket.recv(&mut buffer).await else { continue };
        // A slow tunnel leaves datagrams to the system, which drops them.
        if let Err(error) = datagrams::write(send, &buffer[..length]).await {
            return error;
        }
        counts.add_sent(length);
    }
}
