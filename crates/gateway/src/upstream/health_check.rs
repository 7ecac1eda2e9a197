//! The settings of health checks.

use std::time::Duration;

/// Default interval of checks. Taken from the usual default of load balancers.
const DEFAULT_INTERVAL: Duration = Duration::from_secs(10);

/// Default timeout of a check.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(5);

/// Health checks of each address of an upstream, by `grpc.health.v1.Health/Check`.
///
/// An address whose server answers anything but `SERVING`, fails or does not answer in time
/// receives no calls until a later check succeeds. A server without the health protocol
/// (`unimplemented`) counts as healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    pub(super) service: String,
    pub(super) interval: Duration,
    pub(super) timeout: Duration,
}

impl HealthCheck {
    /// Creates checks of the whole server, every 10 s with a timeout of 5 s.
    pub fn new() -> Self {
        Self { service: String::new(), interval: DEFAULT_INTERVAL, timeout: DEFAULT_TIMEOUT }
    }

    /// Sets the service that the server is asked about; empty for the whole server, which is the
    /// default.
    pub fn service(self, service: impl Into<String>) -> Self {
        Self { service: service.into(), ..self }
    }

    /// Sets the interval between checks. Default: 10 s.
    pub fn interval(self, interval: Duration) -> Self {
        Self { interval, ..self }
    }

    /// Sets the timeout of a check. Default: 5 s.
    pub fn timeout(self, timeout: Duration) -> Self {
        Self { timeout, ..self }
    }
}

impl Default for HealthCheck {
    fn default() -> Self {
        Self::new()
    }
}
