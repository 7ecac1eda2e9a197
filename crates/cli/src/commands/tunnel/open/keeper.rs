//! Keeps a session with the server: the resume layer replaces lost WebSockets, and another session
//! follows one that has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sockeye::reconnect::{Backoff, Reconnecting};
use sockeye::resume::{Error, Limits, ResumableStream, ResumeError};
use sockeye::{Client, Config, mux};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::Open;
use super::link::Publisher;
use super::remote::{Bind, Remotes};
use crate::client::{Failure, FailureKind, opening, token};
use crate::commands::tunnel::mux_config;
use crate::commands::tunnel::protocol::{GOING_AWAY, PATH, SUBPROTOCOL};

/// Time after which the client pings a silent server. Proxies drop connections that are silent for
/// 50 s (the example of `HAProxy`) or 60 s (nginx).
const PING_AFTER: Duration = Duration::from_secs(25);

/// Timeout of the pong; afterwards the WebSocket is replaced.
const PONG_TIMEOUT: Duration = Duration::from_secs(10);

/// Timeout of a write, after which the WebSocket is replaced: as that of the server.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// The delays between attempts: short, as connections wait. Attempts go on until the session expires
/// and after that.
const BACKOFF: Backoff = Backoff::new()
    .base(Duration::from_millis(500))
    .cap(Duration::from_secs(5))
    .max_attempts(None)
    .reset_after(Duration::from_secs(1));

/// Timeout of the notification of the server when the program ends: a user waits no longer.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// Timeout of the last data when the connection of `-W` has ended: that of an expired session.
const FINISH_TIMEOUT: Duration = Duration::from_secs(120);

/// Delay before another session.
const NEXT_SESSION: Duration = Duration::from_secs(1);

/// Delay before another session with a server that has no place for one.
const FULL: Duration = Duration::from_secs(5);

/// Begins sessions, and replaces those that have ended.
pub(super) struct Keeper {
    reconnecting: Box<dyn Fn() -> Reconnecting + Send + Sync>,
    limits: Limits,
    mux: mux::Config,
    /// Whether a session has begun: from then on, the client waits for the server.
    has_begun: Arc<AtomicBool>,
    /// The last session that has begun.
    current: Option<mux::Session>,
}

impl Keeper {
    /// Prepares the client that the arguments describe.
    pub(super) fn new(options: &Open) -> Result<Self, Failure> {
        let config = Config::new()
            .ping_after(Some(PING_AFTER))
            .pong_timeout(PONG_TIMEOUT)
            .write_timeout(Some(WRITE_TIMEOUT));
        let mut client = opening::client(&options.url, &options.client)?
            .subprotocols([SUBPROTOCOL])
            .config(config);
        if let Some(token) = token::read(options.token_file.as_deref())? {
            client = client.bearer_auth(token);
        }
        let has_begun = Arc::new(AtomicBool::new(false));
        let unix_socket = options.client.unix_socket.clone();
        let has_begun_then = Arc::clone(&has_begun);
        let reconnecting = move || {
            let has_begun = Arc::clone(&has_begun_then);
            let reconnecting = Reconnecting::new(client.clone())
                .backoff(BACKOFF)
                .retry_when(move |error| has_begun.load(Ordering::Relaxed) && error.is_transient());
            match unix_socket.clone() {
                Some(path) => reconnecting.connect_by(move |client: Client| {
                    let path = path.clone();
                    async move { client.connect_unix(path).await }
                }),
                None => reconnecting,
            }
        };
        Ok(Self {
            reconnecting: Box::new(reconnecting),
            limits: Limits::new().buffer(options.buffer).window(options.buffer),
            mux: mux_config(options.max_streams),
            has_begun,
            current: None,
        })
    }

    /// Begins a session. The first one must begin at once; later ones wait for the server.
    ///
    /// # Errors
    /// The failure with the exit code of its stage.
    pub(super) async fn begin(&mut self) -> Result<mux::Session, Failure> {
        loop {
            let begun = ResumableStream::connect_with((self.reconnecting)(), self.limits).await;
            let error = match begun {
                Ok(stream) => {
                    self.has_begun.store(true, Ordering::Relaxed);
                    let session = mux::Session::client_resumable(stream, self.mux);
                    self.current = Some(session.clone());
                    return Ok(session);
                }
                Err(error) => error,
            };
            let is_temporary = matches!(
                error,
                Error::Session(ResumeError::Full | ResumeError::OverBudget) | Error::Closed(_)
            );
            if !is_temporary || !self.has_begun.load(Ordering::Relaxed) {
                return Err(failure_of(&error));
            }
            warn!("no session: {error}; trying again");
            sleep(FULL).await;
        }
    }

    /// Serves the session and those that follow it, until none can follow.
    ///
    /// # Errors
    /// The failure for which no session can follow.
    pub(super) async fn keep(
        &mut self,
        session: mux::Session,
        binds: Vec<Bind>,
        remotes: &Arc<Remotes>,
        publisher: &Publisher,
    ) -> Result<(), Failure> {
        let (mut session, mut binds) = (session, Some(binds));
        loop {
            publisher.send_replace(Some(session.clone()));
            let error = remotes.serve(&session, binds.take()).await;
            publisher.send_replace(None);
            warn!("the session ended, and its connections with it: {error}; beginning another");
            sleep(NEXT_SESSION).await;
            session = self.begin().await?;
            info!("another session has begun");
        }
    }

    /// Closes the session, so that the server frees what it keeps for the client.
    pub(super) async fn close(&mut self) {
        if let Some(session) = self.current.take() {
            session.close(GOING_AWAY, "");
            // The server forgets a session whose end it does not learn after a time.
            let _ = timeout(CLOSE_TIMEOUT, session.released()).await;
        }
    }

    /// Ends the session once the server has what its streams carried, which have all ended.
    pub(super) async fn finish(&mut self) {
        if let Some(session) = self.current.take() {
            let released = session.released();
            drop(session);
            let _ = timeout(FINISH_TIMEOUT, released).await;
        }
    }
}

fn failure_of(error: &Error) -> Failure {
    let no_tunnel = |text: &str| {
        let text = text.trim_end_matches('.');
        Failure::refused(format!(
            "{text}; is there a tunnel at this URL? `sockeye tunnel serve` has it at {PATH}"
        ))
    };
    match error {
        Error::Connection(error) => match &**error {
            sockeye::Error::Connect(error) => {
                let failure = Failure::of_opening(error);
                match failure.http_status().map(|status| status.as_u16()) {
                    Some(404 | 405 | 426) => no_tunnel(&failure.to_string()),
                    _ => failure,
                }
            }
            error => Failure::new(FailureKind::Lost, error.to_string()),
        },
        Error::Subprotocol => no_tunnel("the server speaks another protocol"),
        Error::Session(ResumeError::Full) => {
            Failure::connect("the server has too many clients (--max-sessions there)")
        }
        Error::Closed(_) => Failure::new(FailureKind::Closed, error.to_string()),
        error => Failure::protocol(error.to_string()),
    }
}
