//! Reports about connections, for the user and the log.

use tracing::{debug, warn};

use crate::commands::tunnel::relay::End;

/// Reports the end of a connection: a refusal to the user, others to the log.
pub(super) fn report(target: &str, end: &End) {
    match end {
        End::Refused(_) | End::Session(_) => warn!("{target}: {end}"),
        _ => debug!("{target}: {end}"),
    }
}
