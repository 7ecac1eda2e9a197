//! The pipes of a process.

use std::os::fd::OwnedFd;
use std::process::Stdio;

use tokio::net::unix::pipe;
use tokio::process::{ChildStdin, Command};

use super::StandardError;
use crate::commands::exec::process::{Process, Processes, Slot};

/// A process with its pipes.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) process: Process,
    pub(super) slot: Slot,
    pub(super) stdin: ChildStdin,
    pub(super) stdout: pipe::Receiver,
    /// `None` where standard error goes to standard output.
    pub(super) stderr: Option<pipe::Receiver>,
}

/// Starts a process on pipes.
///
/// # Errors
/// When the system cannot start one.
pub(super) fn start(
    mut command: Command,
    stderr: StandardError,
    processes: &Processes,
    slot: Slot,
) -> std::io::Result<Running> {
    let (stdout_reader, stdout) = std::io::pipe()?;
    let stderr_reader = if stderr == StandardError::Merge {
        command.stderr(Stdio::from(stdout.try_clone()?));
        None
    } else {
        let (reader, writer) = std::io::pipe()?;
        command.stderr(Stdio::from(writer));
        Some(reader)
    };
    command.stdin(Stdio::piped()).stdout(Stdio::from(stdout));
    let mut process = processes.spawn(&mut command, None)?;
    // The ends of the child within the command would keep its output open.
    drop(command);
    let stdin = process.take_stdin().ok_or(std::io::ErrorKind::BrokenPipe)?;
    let receiver = |reader| pipe::Receiver::from_owned_fd(OwnedFd::from(reader));
    Ok(Running {
        process,
        slot,
        stdin,
        stdout: receiver(stdout_reader)?,
        stderr: stderr_reader.map(receiver).transpose()?,
    })
}
