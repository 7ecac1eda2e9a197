//! `--udp`: listens for datagrams here, with a stream for each sender.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use sockeye::mux::SendStream;
use tokio::net::UdpSocket;
use tokio::sync::mpsc;
use tracing::{debug, warn};

use super::Open;
use super::flows::{Flows, QueuedDatagram};
use super::forward::Address;
use super::link::Link;
use super::report::report;
use crate::client::Failure;
use crate::commands::tunnel::datagrams;
use crate::commands::tunnel::protocol::{self, Answer, Kind, Request};
use crate::commands::tunnel::relay::{Counts, End, Stream};
use crate::commands::tunnel::socket::describe_bind;

/// A socket of `--udp`.
pub(super) struct UdpForward {
    socket: Arc<UdpSocket>,
    target: Address,
    request: Request,
    idle_timeout: Duration,
}

/// Listens on the addresses of all `--udp`.
///
/// # Errors
/// A failure that names the address.
pub(super) async fn bind_all(options: &Open) -> Result<Vec<UdpForward>, Failure> {
    let mut forwards = Vec::new();
    for forward in &options.udp {
        // `Open::check` has refused paths.
        let (Address::Port { host, port }, Address::Port { host: name, port: target_port }) =
            (&forward.listen, &forward.target)
        else {
            continue;
        };
        let request = Request::new(Kind::Udp, 0, name, *target_port)
            .map_err(|error| Failure::usage(error.to_string()))?;
        let socket = UdpSocket::bind((host.as_str(), *port)).await.map_err(|error| {
            let reason = describe_bind(&error);
            Failure::other(format!("cannot listen on {}: {reason}", forward.listen))
        })?;
        forwards.push(UdpForward {
            socket: Arc::new(socket),
            target: forward.target.clone(),
            request,
            idle_timeout: options.udp_idle,
        });
    }
    Ok(forwards)
}

impl UdpForward {
    /// Returns a line about the socket.
    pub(super) fn describe(&self) -> String {
        let name = self.socket.local_addr().map(|address| address.to_string());
        format!("Forwarding UDP {} to {}", name.unwrap_or_default(), self.target)
    }

    /// Serves datagrams for as long as the future is polled.
    pub(super) async fn serve(self, link: Link) {
        let mut flows = Flows::new();
        let mut buffer = vec![0; datagrams::MAX_LENGTH];
        loop {
            tokio::select! {
                received = self.socket.recv_from(&mut buffer) => {
                    // An error is that of an earlier datagram, whose receiver has gone.
                    let Ok((length, peer)) = received else { continue };
                    if !flows.contains(&peer) {
                        if flows.are_full() {
                            debug!(%peer, "a datagram was dropped: too many senders");
                            continue;
                        }
                        flows.begin(peer, |datagrams| self.begin(peer, datagrams, link.clone()));
                    }
                    flows.send(&peer, &buffer[..length]);
                }
                () = flows.forget_ended() => {}
            }
        }
    }

    /// Serves one sender until its end.
    fn begin(
        &self,
        peer: SocketAddr,
        datagrams: mpsc::Receiver<QueuedDatagram>,
        link: Link,
    ) -> impl Future<Output = ()> + use<> {
        let receiver = Receiver { socket: Arc::clone(&self.socket), peer, header: Vec::new() };
        let (request, idle_timeout) = (self.request.clone(), self.idle_timeout);
        async move { serve_flow(&receiver, &request, datagrams, &link, idle_timeout).await }
    }
}

/// The program that has the answers of a target.
pub(super) struct Receiver {
    pub(super) socket: Arc<UdpSocket>,
    pub(super) peer: SocketAddr,
    /// The begin of each datagram to it.
    pub(super) header: Vec<u8>,
}

impl Receiver {
    async fn send(&self, datagram: &[u8]) {
        // UDP is lossy.
        let _ = if self.header.is_empty() {
            self.socket.send_to(datagram, self.peer).await
        } else {
            self.socket.send_to(&[&self.header, datagram].concat(), self.peer).await
        };
    }
}

/// Exchanges the datagrams of one sender with one target until the end.
pub(super) async fn serve_flow(
    receiver: &Receiver,
    request: &Request,
    datagrams: mpsc::Receiver<QueuedDatagram>,
    link: &Link,
    idle_timeout: Duration,
) {
    let target = request.target();
    match link.open(request).await {
        Ok(stream) => {
            let end = relay(receiver, datagrams, stream, idle_timeout).await;
            report(&target, &end);
        }
        Err(error) => warn!("{target}: {error}"),
    }
}

async fn relay(
    receiver: &Receiver,
    mut queue: mpsc::Receiver<QueuedDatagram>,
    stream: Stream,
    idle_timeout: Duration,
) -> End {
    let Stream { mut send, mut recv, .. } = stream;
    let counts = Counts::default();
    let from_server = async {
        let answer = Answer::read(&mut recv).await.and_then(Answer::into_result);
        answer.map_err(End::Refused)?;
        let mut datagram = Vec::new();
        while datagrams::read(&mut recv, &mut datagram).await.map_err(End::of_stream)? {
            receiver.send(&datagram).await;
            counts.add_received(datagram.len());
        }
        Ok(())
    };
    let end = tokio::select! {
        ended = from_server => ended.err().unwrap_or(End::Finished),
        end = to_server(&mut queue, &mut send, &counts) => end,
        () = counts.wait_until_idle(Some(idle_timeout)) => End::Idle,
    };
    // The flow has no end but that of its datagrams.
    send.reset(protocol::IDLE);
    recv.stop(protocol::IDLE);
    end
}

async fn to_server(
    queue: &mut mpsc::Receiver<QueuedDatagram>,
    send: &mut SendStream,
    counts: &Counts,
) -> End {
    while let Some(queued) = queue.recv().await {
        if let Err(error) = datagrams::write(send, &queued.datagram).await {
            return End::of_stream(error);
        }
        counts.add_sent(queued.datagram.len());
    }
    End::Finished
}
