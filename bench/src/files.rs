//! The limit of open files, which every connection counts towards.

use rustix::io::Errno;
use rustix::process::{Resource, getrlimit, setrlimit};

/// Raises this process's limit, and that of processes it starts, to the highest that is allowed.
///
/// # Errors
///
/// What the kernel says to it.
pub fn raise_limit() -> Result<(), Errno> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit)
}
