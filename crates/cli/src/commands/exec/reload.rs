//! Reloading the settings of a running server.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::bail;

use super::access::Access;
use super::arguments::Exec;
use super::process::Processes;
use super::routes::Settings;
use crate::host::reloadable::Reloadable;
use crate::host::server::Server;
use crate::host::settings::{HostSettings, keep};
use crate::logs;
use crate::parsed::{ParseAgain, Parsed};

/// The parts of a running server that a reload replaces.
pub(super) struct Reloader<'a> {
    pub(super) parse_again: ParseAgain<Exec>,
    pub(super) address: SocketAddr,
    pub(super) arguments: Reloadable<Arc<Exec>>,
    pub(super) server: &'a Server,
    pub(super) settings: Reloadable<Settings>,
    pub(super) access: Arc<Access>,
    pub(super) processes: &'a Processes,
}

impl Reloader<'_> {
    /// Reads everything anew, and replaces all of it or nothing. Processes, terminals and open
    /// connections go on, except those of clients whose token is gone.
    pub(super) fn reload(&self) -> anyhow::Result<()> {
        let Parsed { mut arguments, verbose } = (self.parse_again)()?;
        keep_unchangeable(&self.arguments.current(), &mut arguments);
        check(&arguments)?;
        let host = HostSettings::read_again(&arguments.hosting, self.address)?;
        let settings = Settings::new(&arguments, &host)?;
        let rules = self.access.read_again(&arguments, self.address)?;
        self.server.apply(&arguments.hosting, host);
        self.settings.replace(settings);
        self.access.replace(rules);
        self.processes.change_limit(arguments.max_processes);
        logs::set_verbosity(verbose);
        self.arguments.replace(Arc::new(arguments));
        Ok(())
    }
}

/// Maximum of `--max-message`: lengths in front of messages have 31 bits.
const MAX_MESSAGE: usize = (1 << 31) - 1;

/// Checks the settings that need no file.
///
/// # Errors
/// A sentence about the flag.
pub(super) fn check(options: &Exec) -> anyhow::Result<()> {
    if options.max_message > MAX_MESSAGE {
        bail!("--max-message is at most 2 GiB");
    }
    Ok(())
}

/// Keeps the settings that a running server cannot change, with a warning for each that differs.
fn keep_unchangeable(old: &Exec, new: &mut Exec) {
    new.hosting.keep_unchangeable(&old.hosting);
    keep("pty", &old.pty, &mut new.pty);
    keep("bytes", &old.bytes, &mut new.bytes);
    keep("messages", &old.messages, &mut new.messages);
    keep("shared", &old.shared, &mut new.shared);
    keep("stderr", &old.stderr, &mut new.stderr);
    keep("cwd", &old.cwd, &mut new.cwd);
    keep("env", &old.env, &mut new.env);
    keep("grace", &old.grace, &mut new.grace);
    keep("linger", &old.linger, &mut new.linger);
    keep("record", &old.record, &mut new.record);
    keep("allow-title", &old.allow_title, &mut new.allow_title);
    keep("allow-clipboard", &old.allow_clipboard, &mut new.allow_clipboard);
}
