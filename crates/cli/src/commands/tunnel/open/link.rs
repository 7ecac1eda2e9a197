//! The current session of the client, for all forwards.

use std::fmt;
use std::io;
use std::time::Duration;

use sockeye::mux;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::timeout;

use super::forward::Address;
use crate::commands::tunnel::protocol::{Kind, Request, RequestError};
use crate::commands::tunnel::relay::Stream;

/// Timeout for a session, while the client begins another one. Within a session, streams survive the
/// loss of its WebSocket.
const SESSION_TIMEOUT: Duration = Duration::from_secs(30);

/// Opens streams on the current session. Clones share it.
#[derive(Clone, Debug)]
pub(super) struct Link(watch::Receiver<Option<mux::Session>>);

/// Sets the session of links.
pub(super) type Publisher = watch::Sender<Option<mux::Session>>;

impl Link {
    pub(super) fn new() -> (Self, Publisher) {
        let (publisher, session) = watch::channel(None);
        (Self(session), publisher)
    }

    /// Opens a stream with a request, on another session if the current one has ended. Data may
    /// follow at once.
    pub(super) async fn open(&self, request: &Request) -> Result<Stream, LinkError> {
        let mut receiver = self.0.clone();
        let opened = async {
            loop {
                let is_open = |session: &Option<mux::Session>| {
                    session.as_ref().is_some_and(|session| !session.is_closed())
                };
                // The lock of the channel is not held while the stream is opened.
                let session = match receiver.wait_for(is_open).await {
                    Ok(session) => session.clone(),
                    Err(_) => None,
                };
                let session = session.ok_or(LinkError::NoSession)?;
                match open(&session, request).await {
                    // Nothing of a session that has ended was served.
                    Err(_) if session.is_closed() => {}
                    opened => return opened,
                }
            }
        };
        timeout(SESSION_TIMEOUT, opened).await.unwrap_or(Err(LinkError::NoSession))
    }
}

/// Opens a stream with a request on a session.
pub(super) async fn open(session: &mux::Session, request: &Request) -> Result<Stream, LinkError> {
    let (mut send, recv) = session.open_bi().await.map_err(LinkError::Session)?;
    send.write_all(&request.encode()).await.map_err(LinkError::Write)?;
    Ok(Stream { session: session.clone(), send, recv })
}

/// Returns the request for a connection to a target.
pub(super) fn request_of(target: &Address) -> Result<Request, RequestError> {
    match target {
        Address::Port { host, port } => Request::new(Kind::Tcp, 0, host, *port),
        Address::Path(path) => Request::new(Kind::Unix, 0, path, 0),
    }
}

/// A stream that was not opened.
#[derive(Debug)]
pub(super) enum LinkError {
    /// No session began in time.
    NoSession,
    Session(mux::SessionError),
    Write(io::Error),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSession => f.write_str("there is no connection to the server"),
            Self::Session(error) => write!(f, "the session has ended: {error}"),
            Self::Write(error) => write!(f, "the session has ended: {error}"),
        }
    }
}

impl std::error::Error for LinkError {}
