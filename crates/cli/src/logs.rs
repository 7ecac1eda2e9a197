//! Logs, as lines on standard error.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging at the level of `RUST_LOG`, or where that is unset at the one of so many `-v`.
///
/// # Errors
/// When `RUST_LOG` cannot be read as directives such as `debug` or `sockeye=trace,warn`.
pub(crate) fn start(verbose: u8) -> anyhow::Result<()> {
    let filter = match std::env::var(EnvFilter::DEFAULT_ENV) {
        Ok(directives) if !directives.is_empty() => {
            EnvFilter::builder().parse(&directives).map_err(|_| {
                anyhow::anyhow!(
                    "RUST_LOG={directives} is not understood; \
                     expected levels such as debug or sockeye=trace,warn"
                )
            })?
        }
        _ => EnvFilter::new(level(verbose)),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
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
