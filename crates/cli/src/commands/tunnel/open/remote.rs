//! `-R`: the server listens, and opens a stream for each connection to a target here.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sockeye::mux::{Session, SessionError};
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tracing::{info, warn};

use super::forward::{Address, Forward};
use super::link;
use super::report::report;
use crate::client::Failure;
use crate::commands::tunnel::protocol::{Answer, Code, Kind, REQUEST_TIMEOUT, Request};
use crate::commands::tunnel::relay::{self, Counts, Stream};
use crate::commands::tunnel::socket::{self, Socket};

/// Timeout of a connection to a target here.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of the answer to a request to listen, for which the server waits for nothing but its own
/// sockets; the session may be without a WebSocket meanwhile.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// Delays between attempts to listen again in another session. An address may be taken until the
/// server forgets the session before.
const MIN_BIND_DELAY: Duration = Duration::from_secs(1);
const MAX_BIND_DELAY: Duration = Duration::from_secs(15);

/// The forwards of all `-R`. Their tags are their places.
#[derive(Debug)]
pub(super) struct Remotes(Vec<Forward>);

/// An address that the server listens on, for as long as its stream is open.
#[derive(Debug)]
pub(super) struct Bind {
    stream: Stream,
    name: Box<str>,
    target: Address,
}

impl Bind {
    /// Returns a line about the listener.
    pub(super) fn describe(&self) -> String {
        format!("Forwarding {} of the server to {}", self.name, self.target)
    }
}

impl Remotes {
    pub(super) fn new(forwards: &[Forward]) -> Self {
        Self(forwards.to_vec())
    }

    /// Lets the server listen on all addresses.
    ///
    /// # Errors
    /// A failure that names the first address that the server refuses.
    pub(super) async fn bind(&self, session: &Session) -> Result<Vec<Bind>, Failure> {
        let mut binds = Vec::new();
        for (tag, forward) in self.tagged() {
            binds.push(bind(session, tag, &forward).await.map_err(Failure::other)?);
        }
        Ok(binds)
    }

    /// Serves the connections that the server accepts until the session ends. Without `binds`, lets
    /// the server listen again.
    pub(super) async fn serve(
        self: &Arc<Self>,
        session: &Session,
        binds: Option<Vec<Bind>>,
    ) -> SessionError {
        let mut tasks = JoinSet::new();
        let mut binds = binds.unwrap_or_default().into_iter();
        for (tag, forward) in self.tagged() {
            tasks.spawn(keep_bind(session.clone(), tag, forward, binds.next()));
        }
        let error = loop {
            tokio::select! {
                accepted = session.accept_bi() => match accepted {
                    Ok((send, recv)) => {
                        let stream = Stream { session: session.clone(), send, recv };
                        tasks.spawn(Arc::clone(self).accept(stream));
                    }
                    Err(error) => break error,
                },
                Some(_) = tasks.join_next() => {}
            }
        };
        // The streams fail now, and reset their connections.
        while tasks.join_next().await.is_some() {}
        error
    }

    /// Returns the forwards with their tags.
    fn tagged(&self) -> impl Iterator<Item = (u16, Forward)> {
        (0..=u16::MAX).zip(self.0.iter().cloned())
    }

    async fn accept(self: Arc<Self>, mut stream: Stream) {
        // A stream without a request in time is reset by being dropped.
        let Ok(Ok(request)) = timeout(REQUEST_TIMEOUT, Request::read(&mut stream.recv)).await
        else {
            return;
        };
        let forward = self.0.get(usize::from(request.tag));
        let forward = forward.filter(|_| request.kind == Kind::Accepted);
        let Some(Forward { target, .. }) = forward else {
            let text = "the client has not asked for this connection";
            return stream.refuse(&Answer::new(Code::REQUEST, text)).await;
        };
        let connection = match connect(target).await {
            Ok(connection) => connection,
            Err(error) => {
                warn!("cannot connect to {target}: {error}");
                let text = format!("the client cannot connect to its target: {error}");
                return stream.refuse(&Answer::new(Code::REFUSED, text)).await;
            }
        };
        if stream.send.write_all(&Answer::ok().encode()).await.is_err() {
            return connection.abort();
        }
        let end = relay::relay(connection, stream, &Counts::default(), None).await;
        report(&target.to_string(), &end);
    }
}

/// Keeps the server listening until the session ends.
async fn keep_bind(session: Session, tag: u16, forward: Forward, bound: Option<Bind>) {
    let (mut bound, mut delay) = (bound, MIN_BIND_DELAY);
    while !session.is_closed() {
        let failure = match bound.take() {
            Some(mut bind) => {
                // Nothing follows the answer but the end of the session or of the listener.
                let _ = bind.stream.recv.read_chunk(1).await;
                format!("the server no longer listens on {}", bind.name)
            }
            None => match bind(&session, tag, &forward).await {
                Ok(bind) => {
                    info!("{}", bind.describe());
                    bound = Some(bind);
                    delay = MIN_BIND_DELAY;
                    continue;
                }
                Err(failure) => failure,
            },
        };
        if session.is_closed() {
            return;
        }
        warn!("{failure}; trying again");
        tokio::select! {
            () = tokio::time::sleep(delay) => {}
            _ = session.closed() => {}
        }
        delay = (delay * 2).min(MAX_BIND_DELAY);
    }
}

async fn bind(session: &Session, tag: u16, forward: &Forward) -> Result<Bind, String> {
    let request = match &forward.listen {
        Address::Port { host, port } => Request::new(Kind::Bind, tag, host, *port),
        Address::Path(path) => Request::new(Kind::BindUnix, tag, path, 0),
    };
    let request = request.map_err(|error| error.to_string())?;
    let answered = async {
        let mut stream = link::open(session, &request).await.map_err(|error| error.to_string())?;
        let answer = Answer::read(&mut stream.recv).await.and_then(Answer::into_result);
        let name = answer.map_err(|error| error.to_string())?;
        Ok(Bind { stream, name, target: forward.target.clone() })
    };
    timeout(ANSWER_TIMEOUT, answered).await.unwrap_or_else(|_| {
        Err(format!("the server has not answered in time whether it listens on {}", forward.listen))
    })
}

async fn connect(target: &Address) -> io::Result<Box<dyn Socket>> {
    let connecting = async {
        Ok(match target {
            Address::Port { host, port } => {
                socket::of_tcp(TcpStream::connect((host.as_str(), *port)).await?)
            }
            Address::Path(path) => Box::new(UnixStream::connect(Path::new(path)).await?),
        })
    };
    timeout(CONNECT_TIMEOUT, connecting)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}
