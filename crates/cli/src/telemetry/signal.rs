//! The variables of the environment for the traces, and those for the metrics.

use std::time::Duration;

use anyhow::bail;

/// Timeout of an export without a variable: the default of the specification of OTLP exporters.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The one protocol that this program exports by.
const PROTOCOL: &str = "http/protobuf";

/// A kind of data that is exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signal {
    Traces,
    Metrics,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "TRACES",
            Self::Metrics => "METRICS",
        }
    }

    /// Returns whether the environment asks for an export: it names a collector or the exporter.
    ///
    /// # Errors
    /// When it asks for another exporter or protocol.
    pub(super) fn is_exported(self) -> anyhow::Result<bool> {
        if variable("OTEL_SDK_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
            return Ok(false);
        }
        let name = format!("OTEL_{}_EXPORTER", self.name());
        let is_exported = match variable(&name).as_deref() {
            None => self.setting("ENDPOINT").is_some(),
            Some("otlp") => true,
            Some("none") => false,
            Some(other) => bail!("{name}={other} is invalid; expected otlp or none"),
        };
        match self.setting("PROTOCOL") {
            Some(other) if is_exported && other != PROTOCOL => bail!(
                "OTEL_EXPORTER_OTLP_PROTOCOL={other} is invalid; expected {PROTOCOL}, by default \
                 on port 4318 of the collector"
            ),
            _ => Ok(is_exported),
        }
    }

    /// Returns the timeout of an export.
    ///
    /// # Errors
    /// When the variable is not a number.
    pub(super) fn timeout(self) -> anyhow::Result<Duration> {
        let Some(text) = self.setting("TIMEOUT") else { return Ok(TIMEOUT) };
        match text.parse() {
            Ok(milliseconds @ 1..) => Ok(Duration::from_millis(milliseconds)),
            _ => bail!("OTEL_EXPORTER_OTLP_TIMEOUT={text} is invalid; expected milliseconds"),
        }
    }

    /// Returns the file with the certificates that the collector's is checked against.
    pub(super) fn certificate(self) -> Option<String> {
        self.setting("CERTIFICATE")
    }

    /// Returns the variable for this signal, or that for all.
    fn setting(self, name: &str) -> Option<String> {
        variable(&format!("OTEL_EXPORTER_OTLP_{}_{name}", self.name()))
            .or_else(|| variable(&format!("OTEL_EXPORTER_OTLP_{name}")))
    }
}

/// Returns a variable of the environment. One without a value counts as unset, as the specification
/// asks for.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
