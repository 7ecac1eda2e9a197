//! `sockeye exec`: serves a command over WebSockets.
//!
//! ```text
//!  arguments ─► routes ─► access ─┬─► pipes::own        a process for each connection
//!                                 ├─► pipes::shared     one process, through a journal
//!                                 └─► terminal          sessions, which outlive connections
//!                                        process ─► launcher ─► the command, in a session of its own
//! ```

pub(crate) use self::arguments::Exec;
#[cfg(unix)]
pub(crate) use self::{launcher::launch_if_asked, server::check_files, server::run};

mod arguments;

#[cfg(unix)]
mod access;
#[cfg(unix)]
mod command;
#[cfg(unix)]
mod environment;
#[cfg(unix)]
mod exit;
#[cfg(unix)]
mod journal;
#[cfg(unix)]
mod launcher;
#[cfg(unix)]
mod page;
#[cfg(unix)]
mod pipes;
#[cfg(unix)]
mod process;
#[cfg(unix)]
mod reload;
#[cfg(unix)]
mod routes;
#[cfg(unix)]
mod server;
#[cfg(unix)]
mod terminal;

/// Returns that the command is for Unix.
///
/// # Errors
/// Always.
#[cfg(not(unix))]
pub(crate) fn run(
    _: Exec,
    _: fn() -> anyhow::Result<crate::parsed::Parsed<Exec>>,
) -> anyhow::Result<()> {
    anyhow::bail!("sockeye exec runs on Unix only: it needs process groups and pseudo-terminals")
}

/// Checks the files that the flags name.
///
/// # Errors
/// A sentence about the first file that cannot be used.
#[cfg(not(unix))]
pub(crate) fn check_files(options: &Exec) -> anyhow::Result<()> {
    options.hosting.check_files()
}

/// Does nothing: no command is launched on this system.
#[cfg(not(unix))]
pub(crate) fn launch_if_asked() -> Option<std::process::ExitCode> {
    None
}
