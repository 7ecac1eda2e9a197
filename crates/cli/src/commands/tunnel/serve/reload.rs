//! Reloading the settings of a running server.

use std::net::SocketAddr;
use std::sync::Arc;

use sockeye::resume::ResumableSessions;
use tokio::sync::watch;

use super::Serve;
use super::routes::Upgrades;
use super::service::Service;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::{HostSettings, keep};
use crate::logs;
use crate::parsed::{ParseAgain, Parsed};

/// The parts of a running server that a reload replaces.
pub(super) struct Reloader<'a> {
    pub(super) parse_again: ParseAgain<Serve>,
    pub(super) address: SocketAddr,
    pub(super) arguments: Reloadable<Arc<Serve>>,
    pub(super) server: &'a Server,
    pub(super) sessions: ResumableSessions,
    pub(super) upgrades: Reloadable<Upgrades>,
    pub(super) service: watch::Sender<Arc<Service>>,
}

impl Reloader<'_> {
    /// Reads everything anew, and replaces all of it or nothing. Open connections stay, and so do
    /// sessions with their limits, except for those whose token was removed. The access log is opened
    /// anew in any case.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        let service = Arc::clone(&self.service.borrow());
        if let Some(log) = &service.log {
            log.reopen();
        }
        let Parsed { mut arguments, verbose } = (self.parse_again)()?;
        keep_unchangeable(&self.arguments.current(), &mut arguments);
        let host = HostSettings::read_again(&arguments.hosting, self.address)?;
        let access = service.access.reload(&arguments.access, &arguments.hosting, self.address)?;
        let service = service.with(&arguments, access.clone());
        let sessions = arguments.limit(self.sessions.clone());
        let upgrades = Upgrades::new(&arguments, access, sessions, &host);
        self.server.apply(&arguments.hosting, host);
        self.upgrades.replace(upgrades);
        self.service.send_replace(Arc::new(service));
        logs::set_verbosity(verbose);
        self.arguments.replace(Arc::new(arguments));
        Ok(())
    }
}

/// Keeps the settings that a running server cannot change, with a warning for each that differs.
fn keep_unchangeable(old: &Serve, new: &mut Serve) {
    keep("access-log", &old.access_log, &mut new.access_log);
    keep("memory-budget", &old.memory_budget, &mut new.memory_budget);
    new.hosting.keep_unchangeable(&old.hosting);
}
