//! The reasons why a command was not carried out, as the errors of the client tell them.

use redis::{ErrorKind, RedisError, ServerErrorKind};

use super::url::Address;

/// Returns whether a server refused a command, as another server has its slot.
pub(super) fn is_moved(error: &RedisError) -> bool {
    error.kind() == ErrorKind::Server(ServerErrorKind::Moved)
}

/// Returns whether a server refused a command because its slot is being moved to another server.
/// Neither of the two can carry out a publication before the end: the keys of a room are moved one
/// after the other, and one of a publication's keys is always new. What reads a room that was moved
/// is carried out by the other server, which [`importing_server`] names.
pub(super) fn is_migrating(error: &RedisError) -> bool {
    [ServerErrorKind::Ask, ServerErrorKind::TryAgain]
        .into_iter()
        .any(|of_server| error.kind() == ErrorKind::Server(of_server))
}

/// Returns the server that has the keys of a command already, although their slot is not yet its
/// own; `None` if the error names no such server.
pub(super) fn importing_server(error: &RedisError) -> Option<Address> {
    if error.kind() != ErrorKind::Server(ServerErrorKind::Ask) {
        return None;
    }
    let (address, _) = error.redirect_node()?;
    let (host, port) = address.rsplit_once(':')?;
    let port = port.parse().ok()?;
    // A server that does not know the host of the other names none.
    (!host.is_empty()).then(|| Address::Tcp { host: host.into(), port })
}

/// Returns whether a command was not carried out for a reason that passes: its slot moves or has
/// moved, or the server does not have the scripts or cannot be used at the moment.
pub(super) fn is_passing(error: &RedisError) -> bool {
    is_moved(error)
        || is_migrating(error)
        || is_of_link(error)
        || error.kind() == ErrorKind::Server(ServerErrorKind::NoScript)
}

/// Returns whether a command failed because of its connection, or because of a server that cannot
/// be used at the moment: one that loads its snapshot, has become a replica, or has lost the other
/// servers of its cluster.
pub(super) fn is_of_link(error: &RedisError) -> bool {
    let kind = error.kind();
    error.is_io_error()
        || error.is_unrecoverable_error()
        || [
            ServerErrorKind::BusyLoading,
            ServerErrorKind::ReadOnly,
            ServerErrorKind::MasterDown,
            ServerErrorKind::ClusterDown,
        ]
        .into_iter()
        .any(|of_server| kind == ErrorKind::Server(of_server))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_redirection_names_the_importing_server() {
        let importing = |line: &str| {
            let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
            importing_server(&value.extract_error().unwrap_err())
        };
        let address = Some(Address::Tcp { host: "127.0.0.1".into(), port: 6381 });
        assert_eq!(importing("ASK 3999 127.0.0.1:6381"), address);
        assert_eq!(importing("ASK 3999 :6381"), None);
        assert_eq!(importing("ASK 3999 127.0.0.1:99999"), None);
        assert_eq!(importing("ASK"), None);
        assert_eq!(importing("MOVED 3999 127.0.0.1:6381"), None);
        assert_eq!(importing("TRYAGAIN multiple keys"), None);
    }
}
