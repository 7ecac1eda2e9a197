//! The limit of the process on open files, of which each connection is one.

/// Open files beside those of clients: listeners, logs, event queues, buses and upstreams. Measured:
/// 13 to 22 of idle servers, with a bus and an access log, and with one upstream (`/proc/PID/fd`);
/// the rest is for more upstreams.
#[cfg(unix)]
const OTHERS: u64 = 64;

/// Raises the limit to the highest that the system allows without privileges, as shells begin
/// programs with 1,024. Warns if `max_connections` need more.
#[cfg(unix)]
pub(crate) fn raise_limit(max_connections: usize) {
    use rustix::process::{Resource, getrlimit, setrlimit};
    use tracing::{debug, warn};

    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let before = limit.current;
        limit.current = limit.maximum;
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            debug!("cannot raise the limit on open files: {error}");
            limit.current = before;
        }
    }
    let needed = u64::try_from(max_connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    if let Some(limit) = limit.current.filter(|limit| *limit < needed) {
        warn!(
            "--max-connections is {max_connections}, and the system allows this program {limit} \
             open files, of which each connection is one: raise that limit (LimitNOFILE= of \
             systemd, or ulimit -n), or lower --max-connections"
        );
    }
}

/// Does nothing: the system has no such limit.
#[cfg(not(unix))]
pub(crate) const fn raise_limit(_: usize) {}
