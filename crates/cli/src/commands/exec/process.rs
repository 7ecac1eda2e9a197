//! Processes: their number, their process groups, and their end.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group, test_kill_process_group};
use rustix::termios::tcgetpgrp;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep, timeout};
use tracing::{debug, warn};

use super::exit::Exit;
use crate::host::slots::Slots;

/// Interval at which a process group is looked for, after its first process has ended. The system
/// reports the end of a group only to its parent processes.
const GROUP_POLL: Duration = Duration::from_millis(10);

/// The processes of the server. Clones share the limit.
#[derive(Clone, Debug)]
pub(super) struct Processes {
    slots: Slots,
    /// The process groups that have not ended.
    groups: Arc<Mutex<BTreeSet<i32>>>,
    grace: Duration,
}

/// The right to run a process.
#[derive(Debug)]
pub(super) struct Slot {
    _permit: OwnedSemaphorePermit,
}

/// A running process with its process group. Dropping the value kills the group.
#[derive(Debug)]
pub(super) struct Process {
    child: Child,
    group: Pid,
    exit: Option<Exit>,
    processes: Processes,
    /// The terminal whose foreground process group gets the signals too.
    terminal: Option<Arc<OwnedFd>>,
    is_over: bool,
}

impl Processes {
    /// Allows at most `limit` processes. Their ends are `grace` apart from the signals.
    pub(super) fn new(limit: usize, grace: Duration) -> Self {
        Self { slots: Slots::new(limit), groups: Arc::default(), grace }
    }

    /// Changes the limit. Processes above a lower one go on; new ones wait until enough have ended.
    /// Must be called within a Tokio runtime.
    pub(super) fn change_limit(&self, limit: usize) {
        self.slots.change_limit(limit);
    }

    /// Returns the right to run a process; `None` while too many run.
    pub(super) fn slot(&self) -> Option<Slot> {
        Some(Slot { _permit: self.slots.try_take()? })
    }

    /// Starts a process, on a terminal if there is one. Must be called on a thread of the runtime's
    /// workers, which the process does not survive.
    ///
    /// # Errors
    /// When the system cannot start one.
    pub(super) fn spawn(
        &self,
        command: &mut Command,
        terminal: Option<Arc<OwnedFd>>,
    ) -> std::io::Result<Process> {
        let child = command.spawn()?;
        // The launcher makes the child the leader of a session, and so of a process group.
        let id = child.id().and_then(|id| i32::try_from(id).ok());
        let group = id.and_then(Pid::from_raw).ok_or(Errno::SRCH)?;
        self.lock().insert(group.as_raw_nonzero().get());
        debug!(pid = group.as_raw_nonzero(), "process started");
        let processes = self.clone();
        Ok(Process { child, group, exit: None, processes, terminal, is_over: false })
    }

    /// Kills all processes.
    pub(super) fn kill_all(&self) {
        for group in self.lock().iter().filter_map(|group| Pid::from_raw(*group)) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<i32>> {
        // The set is changed in one step, so a panic leaves no half of one.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Process {
    /// Returns the number of the process.
    pub(super) fn id(&self) -> i32 {
        self.group.as_raw_nonzero().get()
    }

    /// Returns the time between the steps of its end.
    pub(super) fn grace(&self) -> Duration {
        self.processes.grace
    }

    /// Returns the pipe to standard input, once.
    pub(super) fn take_stdin(&mut self) -> Option<ChildStdin> {
        self.child.stdin.take()
    }

    /// Waits for the end of the process, and reaps it. Cancel safe.
    pub(super) async fn wait(&mut self) -> Exit {
        if let Some(exit) = self.exit {
            return exit;
        }
        let exit = match self.child.wait().await {
            Ok(status) => Exit::from(status),
            Err(error) => {
                warn!(%error, "a process cannot be waited for");
                Exit::Signal(0)
            }
        };
        debug!(pid = self.id(), %exit, "process ended");
        self.exit = Some(exit);
        exit
    }

    /// Ends the process and all others of its group. A process on pipes, whose standard input the
    /// caller has closed, first has time to end by itself; one on a terminal gets SIGHUP at once,
    /// as when a terminal is closed.
    pub(super) async fn end(&mut self) -> Exit {
        let grace = self.processes.grace;
        let mut exit = match self.terminal {
            Some(_) => self.exit,
            None => timeout(grace, self.wait()).await.ok(),
        };
        if exit.is_none() {
            self.signal(self.request_to_end());
            exit = timeout(grace, self.wait()).await.ok();
        }
        let exit = if let Some(exit) = exit {
            exit
        } else {
            self.signal(Signal::KILL);
            self.wait().await
        };
        self.end_group().await;
        exit
    }

    /// Ends the processes of the group that have outlived its first one, which has ended.
    pub(super) async fn end_group(&mut self) {
        if self.is_group_alive() {
            self.signal(self.request_to_end());
            let at_most = Instant::now() + self.processes.grace;
            while self.is_group_alive() && Instant::now() < at_most {
                sleep(GROUP_POLL).await;
            }
            if self.is_group_alive() {
                self.signal(Signal::KILL);
            }
        }
        self.leave();
    }

    /// The signal that asks for the end.
    fn request_to_end(&self) -> Signal {
        if self.terminal.is_some() { Signal::HUP } else { Signal::TERM }
    }

    fn signal(&self, signal: Signal) {
        debug!(pid = self.id(), ?signal, "process signalled");
        let sent = kill_process_group(self.group, signal);
        // The child is no group yet while its launcher runs.
        if sent.is_err() && self.exit.is_none() {
            let _ = kill_process(self.group, signal);
        }
        // A shell gives each job a group of its own.
        let foreground = self.terminal.as_ref().and_then(|terminal| tcgetpgrp(terminal).ok());
        if let Some(foreground) = foreground.filter(|group| *group != self.group) {
            let _ = kill_process_group(foreground, signal);
        }
    }

    /// Returns whether processes of the group exist, once the first one was reaped. Their number
    /// stays that of the group as long as they do, so that no other group is meant.
    fn is_group_alive(&self) -> bool {
        test_kill_process_group(self.group) != Err(Errno::SRCH)
    }

    fn leave(&mut self) {
        self.is_over = true;
        self.processes.lock().remove(&self.id());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.is_over {
            self.signal(Signal::KILL);
            self.leave();
        }
    }
}
