//! Reloading the settings of a running gateway.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use sockeye_gateway::Gateway;

use super::access::Access;
use super::routes::Routes;
use super::settings::{Settings, Surroundings};
use super::{GatewayArguments, report};
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::{HostSettings, keep};
use crate::logs;
use crate::parsed::{ParseAgain, Parsed};

/// The parts of a running gateway that a reload replaces.
pub(crate) struct Reloader<'a> {
    pub(crate) parse_again: ParseAgain<GatewayArguments>,
    pub(crate) address: SocketAddr,
    pub(crate) arguments: Reloadable<Arc<GatewayArguments>>,
    pub(crate) surroundings: Surroundings,
    pub(crate) gateway: Gateway,
    pub(crate) server: &'a Server<Routes>,
    pub(crate) is_private: Reloadable<bool>,
}

impl Reloader<'_> {
    /// Reads everything anew, and replaces all of it or nothing. The access log is opened anew in
    /// any case.
    pub(crate) async fn reload(&self) -> anyhow::Result<()> {
        if let Some(log) = &self.surroundings.access_log {
            log.reopen();
        }
        let Parsed { mut arguments, verbose } = (self.parse_again)()?;
        keep_unchangeable(&self.arguments.current(), &mut arguments);
        let access = Access::new(&arguments, self.address)?;
        let host = HostSettings::read_again(&arguments.hosting, self.address)?;
        let surroundings =
            Surroundings { proxies: host.proxies.clone(), ..self.surroundings.clone() };
        let Settings { builder, selectors } = Settings::new(&arguments, &access, &surroundings)?;
        self.gateway.reload(builder).await.context("routes of the services are equal")?;
        self.server.apply(&arguments.hosting, host);
        self.is_private.replace(access.is_private());
        logs::set_verbosity(verbose);
        self.arguments.replace(Arc::new(arguments));
        report::log_services(&self.gateway, &selectors);
        Ok(())
    }
}

/// Keeps the settings that a running server cannot change, with a warning for each that differs.
fn keep_unchangeable(old: &GatewayArguments, new: &mut GatewayArguments) {
    keep("access-log", &old.access_log, &mut new.access_log);
    keep("demo", &old.demo, &mut new.demo);
    new.hosting.keep_unchangeable(&old.hosting);
}
