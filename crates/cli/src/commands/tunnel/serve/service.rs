//! The settings and limits that all streams of a server share. A reload replaces them for new
//! streams.

use std::sync::Arc;
use std::time::Duration;

use sockeye::{MemoryBudget, mux};
use tokio::sync::Semaphore;

use super::Serve;
use super::holders::Holders;
use crate::commands::tunnel::allow::{Binds, Targets};
use crate::commands::tunnel::mux_config;
use crate::host::access_log::AccessLog;
use crate::host::bearer::BearerAccess;

/// Maximum number of names that are resolved at once; further ones wait. Chosen: the system resolves
/// each on a thread, of which tokio has at most 512.
const MAX_LOOKUPS: usize = 64;

/// The settings and limits of a server.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) access: BearerAccess,
    pub(super) targets: Targets,
    pub(super) binds: Binds,
    pub(super) send_proxy: bool,
    pub(super) connect_timeout: Duration,
    pub(super) stream_idle: Option<Duration>,
    pub(super) udp_idle: Duration,
    pub(super) lookups: Arc<Semaphore>,
    pub(super) holders: Holders,
    pub(super) log: Option<AccessLog>,
    pub(super) mux: mux::Config,
    /// The budget for the data on the way, in the sessions and in the streams on them.
    pub(super) budget: MemoryBudget,
}

impl Service {
    pub(super) fn new(options: &Serve, access: BearerAccess, log: Option<AccessLog>) -> Self {
        Self {
            access,
            targets: Targets::new(&options.allow),
            binds: Binds::new(&options.allow_bind),
            send_proxy: options.send_proxy,
            connect_timeout: options.connect_timeout,
            stream_idle: options.stream_idle,
            udp_idle: options.udp_idle,
            lookups: Arc::new(Semaphore::new(MAX_LOOKUPS)),
            holders: Holders::default(),
            log,
            mux: mux_config(options.max_streams),
            budget: MemoryBudget::new(options.memory_budget),
        }
    }

    /// Returns other settings, with the same log, limit of lookups, listeners and budget.
    pub(super) fn with(&self, options: &Serve, access: BearerAccess) -> Self {
        let (lookups, holders) = (Arc::clone(&self.lookups), self.holders.clone());
        let budget = self.budget.clone();
        Self { lookups, holders, budget, ..Self::new(options, access, self.log.clone()) }
    }
}
