//! The threads of a command.

use anyhow::Context;
use tokio::runtime::Builder;

/// Runs a command on threads of its own, one for each core, until it ends.
///
/// # Errors
/// When the threads cannot be started, and that of the command.
pub(crate) fn run(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    run_on(Builder::new_multi_thread(), command)
}

/// Runs a command, whose tasks all take part in one connection, on this thread: passing each piece
/// of its data from thread to thread costs more than a second core gains.
///
/// # Errors
/// When the system refuses what tasks wait by, and that of the command.
pub(crate) fn run_on_this_thread(
    command: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    run_on(Builder::new_current_thread(), command)
}

fn run_on(
    mut threads: Builder,
    command: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<()> {
    let runtime =
        threads.enable_all().build().context("cannot start the threads of the program")?;
    let result = runtime.block_on(command);
    // Connections that the command has left and threads that wait for input are not waited for.
    runtime.shutdown_background();
    result
}
