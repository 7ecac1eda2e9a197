//! The threads of a server.

use anyhow::Context;

/// Runs a server on threads of its own until it ends.
///
/// # Errors
/// When the threads cannot be started, and that of the server.
pub(crate) fn run(server: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the threads of the server")?;
    let result = runtime.block_on(server);
    // Connections that did not stop within --shutdown-timeout are not waited for a second time.
    runtime.shutdown_background();
    result
}
