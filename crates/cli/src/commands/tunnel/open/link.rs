//! The current session of the client, for all forwards.

use std::fmt;
use std::io;
use std::time::Duration;

use sockeye::mux;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};

use super::forward::Address;
use crate::commands::tunnel::protocol::{Kind, Request, RequestError};
use crate::commands::tunnel::relay::Stream;

/// Timeout for a session, while the client begins another one, and for a place among its streams.
/// Within a session, streams survive the loss of its WebSocket.
const OPEN_TIMEOUT: Duration = Duration::from_secs(30);

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
        let deadline = Instant::now() + OPEN_TIMEOUT;
        loop {
            let is_open = |session: &Option<mux::Session>| {
                session.as_ref().is_some_and(|session| !session.is_closed())
            };
            // The lock of the channel is not held while the stream is opened.
            let session = match timeout_at(deadline, receiver.wait_for(is_open)).await {
                Ok(Ok(session)) => session.clone(),
                _ => None,
            };
            let session = session.ok_or(LinkError::NoSession)?;
            match timeout_at(deadline, open(&session, request)).await {
                Err(_) => return Err(LinkError::Full),
                // Nothing of a session that has ended was served.
                Ok(Err(_)) if session.is_closed() => {}
                Ok(opened) => return opened,
            }
        }
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
    /// The session had no place for another stream in time.
    Full,
    Session(mux::SessionError),
    Write(io::Error),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSession => f.write_str("there is no connection to the server"),
            Self::Full => f.write_str(
                "the server takes no further connection of this client; too many are open there \
                 (--max-streams)",
            ),
            Self::Session(error) => write!(f, "the session has ended: {error}"),
            Self::Write(error) => write!(f, "the session has ended: {error}"),
        }
    }
}

impl std::error::Error for LinkError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_session_without_a_place_differs_from_no_session() {
        let request = Request::new(Kind::Tcp, 0, "a.test", 80).unwrap();
        let (link, publisher) = Link::new();
        assert!(matches!(link.open(&request).await, Err(LinkError::NoSession)));

        let (here, there) = tokio::io::duplex(4096);
        let config = mux::Config::new().idle_timeout(None).keep_alive(None);
        let _server = mux::Session::server_over(there, config.max_bi_streams(1));
        publisher.send_replace(Some(mux::Session::client_over(here, config)));
        let _first = link.open(&request).await.unwrap();
        let full = link.open(&request).await.unwrap_err();
        assert!(matches!(full, LinkError::Full), "{full}");
        assert!(full.to_string().contains("--max-streams"), "{full}");
    }
}
