//! Logging to standard error, in lines.

mod rate_limit;

use std::fmt;
use std::io::IsTerminal;

use sockeye::escape;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::rate_limit::RateLimit;

/// Starts logging at the level of `RUST_LOG` or, if that is unset, at the level of `verbose` times
/// `-v`.
///
/// # Errors
/// When `RUST_LOG` cannot be parsed as directives such as `debug` or `sockeye=trace,warn`.
pub(crate) fn start(verbose: u8) -> anyhow::Result<()> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::builder().parse(&directives).map_err(|_| {
                anyhow::anyhow!(
                    "RUST_LOG={directives} is invalid; \
                     expected levels such as debug or sockeye=trace,warn"
                )
            })?
        }
        _ => EnvFilter::new(level(verbose)),
    };
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(EscapedFields)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    tracing_subscriber::registry().with(filter).with(RateLimit::start()?).with(lines).init();
    Ok(())
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
