//! The timeouts of WebSockets.

use std::time::Duration;

use sockeye::Config;

use super::Hosting;

/// Returns the configuration of WebSockets that are dropped after `idle_timeout` without a byte
/// from the client.
pub(crate) fn config(hosting: &Hosting, idle_timeout: Duration) -> Config {
    // The server sends a ping at most one interval after the last byte, and the pong is due two
    // intervals later: three in all, unless the ping waits behind output that the peer takes.
    let ping_interval = idle_timeout / 4;
    Config::default()
        .ping_after(Some(ping_interval))
        .pong_timeout(ping_interval * 2)
        .write_timeout(Some(hosting.write_timeout))
        .close_timeout(hosting.shutdown_timeout)
}
