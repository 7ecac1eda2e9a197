//! Logging to standard error, in lines.

mod rate_limit;

use std::fmt;
use std::io::IsTerminal;
use std::sync::OnceLock;

use clap::ValueEnum;

use sockeye::escape;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{EnvFilter, Layer as _, Registry, reload};

use self::rate_limit::RateLimit;
use crate::telemetry;

/// The form of the lines of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum LogFormat {
    /// Text for people
    Text,
    /// One object a line, for programs that collect logs
    Json,
}

/// The filter of the log, unless `RUST_LOG` has set it.
static FILTER: OnceLock<reload::Handle<EnvFilter, Registry>> = OnceLock::new();

/// Starts logging at the level of `RUST_LOG` or, if that is unset, at the level of `verbose` times
/// `-v`.
///
/// # Errors
/// When `RUST_LOG` cannot be parsed as directives such as `debug` or `sockeye=trace,warn`.
pub(crate) fn start(verbose: u8, format: LogFormat) -> anyhow::Result<()> {
    let (filter, is_fixed) = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => {
            let filter = EnvFilter::builder().parse(&directives).map_err(|_| {
                anyhow::anyhow!(
                    "RUST_LOG={directives} is invalid; \
                     expected levels such as debug or sockeye=trace,warn"
                )
            })?;
            (filter, true)
        }
        _ => (EnvFilter::new(level(verbose)), false),
    };
    let (filter, handle) = reload::Layer::new(filter);
    if !is_fixed {
        // Set once, as logging starts once.
        let _ = FILTER.set(handle);
    }
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_target(false)
        // These would be printed by `eprintln!`, which panics where standard error is closed.
        .log_internal_errors(false);
    let lines = match format {
        LogFormat::Text => {
            lines.fmt_fields(EscapedFields).with_ansi(std::io::stderr().is_terminal()).boxed()
        }
        LogFormat::Json => lines.json().flatten_event(true).with_span_list(false).boxed(),
    };
    // The filter is that of the lines alone: spans that are exported have one of their own.
    let lines = RateLimit::start()?.and_then(lines).with_filter(filter);
    match telemetry::spans() {
        Some(spans) => tracing_subscriber::registry().with(lines).with(spans).init(),
        None => tracing_subscriber::registry().with(lines).init(),
    }
    Ok(())
}

/// Sets the level of the log to that of `verbose` times `-v`, unless `RUST_LOG` has set it.
pub(crate) fn set_verbosity(verbose: u8) {
    if let Some(filter) = FILTER.get() {
        // Fails only without a log.
        let _ = filter.reload(EnvFilter::new(level(verbose)));
    }
}

fn level(verbose: u8) -> &'static str {
    match verbose {
        0 => "warn,sockeye=info",
        1 => "info,sockeye=debug",
        2 => "debug,sockeye=trace",
        _ => "trace",
    }
}

/// The default format of messages and fields, escaped: they may contain text from a peer, whichever
/// crate logs them.
struct EscapedFields;

impl<'writer> FormatFields<'writer> for EscapedFields {
    fn format_fields<R: RecordFields>(
        &self,
        mut writer: Writer<'writer>,
        fields: R,
    ) -> fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        write!(writer, "{}", escape(&text))
    }
}
