//! The limit on open files; every connection counts towards it.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises the limit of this process, and of processes that it starts, to the highest that is
/// allowed.
///
/// # Errors
///
/// The error that the kernel returns.
pub fn raise_limit() -> Result<(), Errno> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
}
