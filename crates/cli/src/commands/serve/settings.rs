//! The settings of the server's WebSockets, from the flags.

use sockeye::upgrade::Options;
use sockeye::{Deflate, MemoryBudget};

use super::Serve;
use super::connection_log::ConnectionLog;
use crate::host::settings::HostSettings;
use crate::host::websocket;

/// The settings of all WebSockets of the server. New ones have those of the last reload.
#[derive(Clone, Debug)]
pub(crate) struct WebSocketSettings {
    /// Origins, hosts, proxies, limits and timeouts.
    pub(crate) options: Options,
    pub(crate) max_message: usize,
    /// The access log of the server.
    pub(crate) connection_log: ConnectionLog,
    budget: MemoryBudget,
    memory_budget: usize,
}

impl WebSocketSettings {
    /// Creates the settings. A memory budget of the same size as that of `old` is shared with the
    /// connections that are open.
    ///
    /// # Errors
    /// When an `--allow-origin` is not a pattern.
    pub(crate) fn new(
        flags: &Serve,
        host: &HostSettings,
        connection_log: ConnectionLog,
        old: Option<&Self>,
    ) -> anyhow::Result<Self> {
        let memory_budget = flags.memory_budget;
        let budget = match old {
            Some(old) if old.memory_budget == memory_budget => old.budget.clone(),
            _ => MemoryBudget::new(memory_budget),
        };
        let config = websocket::config(&flags.hosting, flags.idle_timeout)
            .max_message_length(flags.max_message);
        let mut options =
            host.upgrade_options(config).memory_budget(budget.clone()).deflate(Deflate::default());
        for pattern in &flags.allow_origin {
            options = options.allow_origin(pattern)?;
        }
        Ok(Self { options, max_message: flags.max_message, connection_log, budget, memory_budget })
    }
}
