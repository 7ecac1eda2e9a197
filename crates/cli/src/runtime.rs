//! The threads of a command.

use anyhow::Context;

/// Runs a command on threads of its own until it ends.
///
/// # Errors
/// When the threads cannot be started, and that of the command.
pub(crate) fn run(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the program")?;
    let result = runtime.block_on(command);
    // Connections that the command has left and threads that wait for input are not waited for.
    runtime.shutdown_background();
    result
}
