//! Reloading the settings of a running server.

use std::net::SocketAddr;
use std::sync::Arc;

use super::Serve;
use super::hub::HubServer;
use super::settings::WebSocketSettings;
use crate::host::access_log::AccessLog;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::{HostSettings, keep};
use crate::logs;
use crate::parsed::{ParseAgain, Parsed};

/// The parts of a running server that a reload replaces.
pub(crate) struct Reloader<'a> {
    pub(crate) parse_again: ParseAgain<Serve>,
    pub(crate) address: SocketAddr,
    pub(crate) arguments: Reloadable<Arc<Serve>>,
    pub(crate) server: &'a Server,
    pub(crate) settings: Reloadable<WebSocketSettings>,
    pub(crate) hub: HubServer,
    pub(crate) access_log: Option<AccessLog>,
}

impl Reloader<'_> {
    /// Reads everything anew, and replaces all of it or nothing. Open connections keep their
    /// limits, and clients that are connected stay. The access log is opened anew in any case.
    pub(crate) fn reload(&self) -> anyhow::Result<()> {
        if let Some(log) = &self.access_log {
            log.reopen();
        }
        let Parsed { mut arguments, verbose } = (self.parse_again)()?;
        keep_unchangeable(&self.arguments.current(), &mut arguments);
        let host = HostSettings::read_again(&arguments.hosting, self.address)?;
        let old = self.settings.current();
        let settings =
            WebSocketSettings::new(&arguments, &host, old.connection_log.clone(), Some(&old))?;
        let hub = self.hub.read_settings(&arguments, self.address)?;
        self.server.apply(&arguments.hosting, host);
        self.settings.replace(settings);
        self.hub.apply(hub);
        logs::set_verbosity(verbose);
        self.arguments.replace(Arc::new(arguments));
        Ok(())
    }
}

/// Keeps the settings that a running server cannot change, with a warning for each that differs.
fn keep_unchangeable(old: &Serve, new: &mut Serve) {
    keep("access-log", &old.access_log, &mut new.access_log);
    new.hosting.keep_unchangeable(&old.hosting);
    keep("bus", &old.hub.bus, &mut new.hub.bus);
    keep("hub-config", &old.hub.hub_config, &mut new.hub.hub_config);
}
