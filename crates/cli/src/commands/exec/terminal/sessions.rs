//! The sessions of a server.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sockeye::{CloseCode, Drain};
use tracing::warn;

use super::Refused;
use super::filter::Allowed;
use super::pty::{Pty, Size};
use super::recorder::Recorder;
use super::session::{NewSession, Session, View};
use crate::commands::exec::arguments::Exec;
use crate::commands::exec::command::CommandLine;
use crate::commands::exec::environment::{self, Request};
use crate::commands::exec::process::{Processes, Slot};

/// Length of the random part of a session's name, in bytes: 128 bits cannot be guessed.
const ID_LENGTH: usize = 16;

/// The sessions of a server.
#[derive(Debug)]
pub(in super::super) struct Registry {
    command: Arc<CommandLine>,
    processes: Processes,
    allowed: Allowed,
    record: Option<PathBuf>,
    linger: Duration,
    is_shared: bool,
    /// By their names. At most as many as there are slots.
    sessions: Mutex<HashMap<String, Arc<Session>>>,
}

impl Registry {
    pub(in super::super) fn new(
        options: &Exec,
        command: Arc<CommandLine>,
        processes: Processes,
    ) -> Arc<Self> {
        Arc::new(Self {
            command,
            processes,
            allowed: Allowed { title: options.allow_title, clipboard: options.allow_clipboard },
            record: options.record.clone(),
            linger: options.linger,
            is_shared: options.shared,
            sessions: Mutex::default(),
        })
    }
}

/// The sessions of a server, as a connection uses them. Clones share them.
#[derive(Clone, Debug)]
pub(in super::super) struct Sessions {
    registry: Arc<Registry>,
    /// Ends the sessions that the connection opens when the server stops.
    drain: Drain,
}

/// A client that opens a session.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) request: Request,
    pub(super) peer: Option<SocketAddr>,
    pub(super) owner: Arc<str>,
    pub(super) size: Size,
}

impl Sessions {
    pub(in super::super) fn new(registry: Arc<Registry>, drain: Drain) -> Self {
        Self { registry, drain }
    }

    /// Returns the time for which a session is kept without a viewer.
    pub(super) fn linger(&self) -> Duration {
        self.registry.linger
    }

    /// Returns the name of the program.
    pub(super) fn command(&self) -> String {
        self.registry.command.name()
    }

    /// Attaches a viewer to its session again, from the position on that it has seen. `None` if
    /// there is no such session, or it belongs to another owner: nothing tells these apart.
    pub(super) fn resume(&self, id: &str, owner: &str, seen: Option<u64>) -> Option<View> {
        let is_shared = self.registry.is_shared;
        let sessions = self.lock();
        let session = sessions.get(id)?;
        (is_shared || &*session.owner == owner).then(|| session.attach(seen))
    }

    /// Attaches a viewer to a new session, or to the shared one.
    ///
    /// # Errors
    /// When there are too many processes, or the system cannot start one.
    pub(super) fn open(&self, client: Client, linger: Duration) -> Result<View, Refused> {
        let registry = &self.registry;
        // Starting a process does not wait, so that the lock is held shortly.
        let mut sessions = self.lock();
        if registry.is_shared
            && let Some(session) = sessions.values().find(|session| !session.is_over())
        {
            return Ok(session.attach(None));
        }
        let slot = registry
            .processes
            .slot()
            .ok_or(Refused::new(CloseCode::TRY_AGAIN_LATER, "too many processes"))?;
        let linger = if registry.is_shared { None } else { Some(linger) };
        match self.start(client, linger, slot) {
            Ok((session, view)) => {
                sessions.insert(session.id.clone(), session);
                Ok(view)
            }
            Err(error) => {
                warn!("the process cannot be started: {error:#}");
                Err(Refused::new(CloseCode::INTERNAL_ERROR, "the process cannot be started"))
            }
        }
    }

    fn start(
        &self,
        client: Client,
        linger: Option<Duration>,
        slot: Slot,
    ) -> anyhow::Result<(Arc<Session>, View)> {
        let registry = &self.registry;
        let variables = environment::variables(&client.request, client.peer);
        let mut command = registry.command.command(&variables)?;
        let pty = Pty::open(client.size, &mut command).context("no terminal")?;
        let mut id = [0; ID_LENGTH];
        getrandom::fill(&mut id).context("no random numbers")?;
        let recorder = match &registry.record {
            Some(file) => Some(Recorder::create(file, client.size, &registry.command.name())?),
            None => None,
        };
        let process = registry.processes.spawn(&mut command, Some(pty.descriptor()))?;
        // The ends of the child within the command would keep the terminal open.
        drop(command);
        let session = Session::new(NewSession {
            id: URL_SAFE_NO_PAD.encode(id),
            owner: client.owner,
            pty,
            size: client.size,
            allowed: registry.allowed,
            recorder,
            is_shared: registry.is_shared,
            linger,
        });
        // Before the session looks for viewers.
        let view = session.attach(None);
        let (sessions, running) = (self.clone(), Arc::clone(&session));
        tokio::spawn(async move {
            let _guard = sessions.drain.guard();
            running.run(process, slot, &sessions.drain).await;
            sessions.lock().remove(&running.id);
        });
        Ok((session, view))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<Session>>> {
        self.registry.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
