//! Listening for a client: each accepted connection is a stream that the server opens.

use std::fmt;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tracing::debug;

use super::client::Client;
use super::holders::Held;
use super::record::Record;
use crate::commands::tunnel::allow::{Binds, Denied};
use crate::commands::tunnel::bounded_listener::{Accepted, BoundedListener};
use crate::commands::tunnel::protocol::{Answer, AnswerError, Code, Kind, Request};
use crate::commands::tunnel::relay::{self, End, Stream};
use crate::commands::tunnel::socket::{Socket, SocketListener, describe_bind};

/// Maximum number of open connections of one listener; further ones wait in the system's queue.
const MAX_ACCEPTED: usize = 256;

/// Listens for the client until the client ends the stream, or no rule allows it any more.
pub(super) async fn serve(
    client: &Arc<Client>,
    request: &Request,
    mut stream: Stream,
    record: &mut Record,
) {
    let Some(_guard) = client.begin_bind() else {
        let answer = Answer::new(Code::LIMIT, "the client listens on too many addresses");
        return record.refuse(stream, answer).await;
    };
    let (listener, held) = match bind(client, request).await {
        Ok(bound) => bound,
        Err(answer) => return record.refuse(stream, answer).await,
    };
    let name = listener.name();
    record.address = Some(name.clone());
    let answer = Answer::new(Code::OK, &name);
    if let Err(error) = stream.send.write_all(&answer.encode()).await {
        return record.end(&End::Session(error));
    }
    debug!(session = client.number, address = name, "listening for a client");
    let mut listener = BoundedListener::new(listener, MAX_ACCEPTED);
    let mut settings = client.settings();
    // The request for the port that the system has picked.
    let port = name.parse::<SocketAddr>().map_or(request.port, |address| address.port());
    let bound = Request { port, ..request.clone() };
    let mut connections = JoinSet::new();
    let end = loop {
        tokio::select! {
            // Nothing follows the request: the client stops listening.
            ended = stream.recv.read_chunk(1) => break match ended {
                Ok(_) => End::Finished,
                Err(error) => End::of_stream(error.into()),
            },
            Accepted { socket, peer, guard } = listener.accept() => {
                let connection = AcceptedConnection {
                    client: Arc::clone(client),
                    tag: request.tag,
                    listener: name.clone(),
                    peer,
                };
                connections.spawn(async move {
                    connection.serve(socket).await;
                    drop(guard);
                });
            }
            Ok(()) = settings.changed() => {
                // Further connections follow the new rules, and those that are open stay.
                let service = client.service();
                if let Err(answer) = Place::of(&service.binds, request)
                    && Place::of(&service.binds, &bound).is_err()
                {
                    break End::Refused(AnswerError::Refused(answer));
                }
            }
            Some(_) = connections.join_next() => {}
        }
    };
    drop(listener);
    drop(held);
    record.end(&end);
    let _ = stream.send.finish();
    drop(stream);
    while connections.join_next().await.is_some() {}
}

/// A connection that the server has accepted for a client.
struct AcceptedConnection {
    client: Arc<Client>,
    tag: u16,
    listener: String,
    peer: Option<SocketAddr>,
}

impl AcceptedConnection {
    async fn serve(self, socket: Box<dyn Socket>) {
        let Self { client, tag, listener, peer } = self;
        let address = peer.map(|peer| peer.to_string());
        let mut record = Record::of_accepted(&client, &listener, address);
        let (host, port) = match peer {
            Some(peer) => (peer.ip().to_string(), peer.port()),
            None => (listener, 0),
        };
        let opened = async {
            let request = Request::new(Kind::Accepted, tag, &host, port);
            let request = request.map_err(|_| ErrorKind::InvalidInput)?;
            let session = client.session.clone();
            let (mut send, recv) = session.open_bi().await.map_err(io::Error::other)?;
            send.write_all(&request.encode()).await?;
            Ok(Stream { session, send, recv })
        };
        let end = match opened.await {
            Ok(stream) => {
                let idle = client.service().stream_idle;
                relay::relay_after_answer(socket, stream, &record.counts, idle).await
            }
            Err(error) => {
                socket.abort();
                End::Session(error)
            }
        };
        record.end(&end);
    }
}

/// Listens on an address or path that is allowed.
async fn bind(client: &Arc<Client>, request: &Request) -> Result<(SocketListener, Held), Answer> {
    let service = client.service();
    let place = Place::of(&service.binds, request)?;
    let name = place.to_string();
    let mut bound = place.bind().await;
    if let Err(error) = &bound
        && error.kind() == ErrorKind::AddrInUse
        && service.holders.take_over(&name, &client.identity).await
    {
        bound = place.bind().await;
    }
    let listener = bound.map_err(|error| {
        let reason = describe_bind(&error);
        let text = format!("the server cannot listen on {}: {reason}", request.target());
        Answer::new(Code::ADDRESS, text)
    })?;
    let held = service.holders.hold(&listener.name(), client.holder()).await;
    Ok((listener, held))
}

/// Where to listen.
enum Place<'a> {
    Address(SocketAddr),
    Path(&'a str),
}

impl<'a> Place<'a> {
    /// Returns the place of a request, which a rule allows.
    fn of(binds: &Binds, request: &'a Request) -> Result<Self, Answer> {
        let host = &*request.host;
        let deny = |reason: Denied| {
            let target = request.target();
            let text = format!("the server does not listen on {target}: {reason} (--allow-bind)");
            Answer::new(Code::DENIED, text)
        };
        if request.kind == Kind::BindUnix {
            binds.check_path(host).map_err(deny)?;
            return Ok(Self::Path(host));
        }
        // Names are not resolved: an address to listen on is one of the server's own.
        let ip = match host {
            "localhost" => IpAddr::V4(Ipv4Addr::LOCALHOST),
            _ => host.parse::<IpAddr>().map_err(|_| deny(Denied::NoRule))?.to_canonical(),
        };
        let address = SocketAddr::new(ip, request.port);
        binds.check_address(host, address).map_err(deny)?;
        Ok(Self::Address(address))
    }

    async fn bind(&self) -> io::Result<SocketListener> {
        match self {
            Self::Address(address) => TcpListener::bind(address).await.map(SocketListener::Tcp),
            Self::Path(path) => SocketListener::bind_unix(Path::new(path)),
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Path(path) => path.fmt(f),
        }
    }
}
