//! The command line.

use std::sync::LazyLock;

use anyhow::Context;
use clap::{ArgAction, ArgMatches, FromArgMatches, Parser, Subcommand};

use crate::commands::bench::Bench;
use crate::commands::call::Call;
use crate::commands::config::ConfigArguments;
use crate::commands::connect::Connect;
use crate::commands::exec::{self, Exec};
use crate::commands::gateway::{self, GatewayArguments};
use crate::commands::generate::{Completions, Man};
use crate::commands::serve::Serve;
use crate::commands::tunnel::{self, Tunnel};
use crate::config::{self, ParseError};
use crate::logs::LogFormat;
use crate::parsed::Parsed;

/// The version with the parts that a build may lack.
static LONG_VERSION: LazyLock<String> = LazyLock::new(|| {
    let features = [
        ("acme", cfg!(feature = "acme")),
        ("nats", cfg!(feature = "nats")),
        ("otlp", cfg!(feature = "otlp")),
        ("redis", cfg!(feature = "redis")),
    ];
    let features = features.map(|(name, is_on)| format!("{}{name}", if is_on { '+' } else { '-' }));
    format!("{}\nfeatures: {}", env!("CARGO_PKG_VERSION"), features.join(" "))
});

/// WebSocket tools for the command line.
#[derive(Debug, Parser)]
#[command(
    name = "sockeye",
    version,
    long_version = LONG_VERSION.as_str(),
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Run `sockeye serve`, or `sockeye gateway --demo`, and open the address it prints \
                  in a browser."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) command: Command,

    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = "Logging")]
    #[arg(help = "Log each connection, twice (-vv) each step; RUST_LOG decides where it is set")]
    pub(crate) verbose: u8,

    #[arg(long, value_name = "FORMAT", global = true, default_value = "text", value_enum)]
    #[arg(help = "Form of the log's lines", help_heading = "Logging")]
    pub(crate) log: LogFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Bench(Box<Bench>),
    Call(Box<Call>),
    #[command(hide = true)]
    Completions(Completions),
    Config(ConfigArguments),
    Connect(Box<Connect>),
    Exec(Box<Exec>),
    Gateway(Box<GatewayArguments>),
    #[command(hide = true)]
    Man(Man),
    Serve(Box<Serve>),
    Tunnel(Tunnel),
}

impl Command {
    /// Returns whether the command is a server.
    pub(crate) fn is_server(&self) -> bool {
        matches!(self, Self::Exec(_) | Self::Gateway(_) | Self::Serve(_) | Self::Tunnel(_))
    }
}

/// Parses the command line of the process.
///
/// # Errors
/// The file of `--config` or a variable of the environment cannot be used. Other mistakes end the
/// process with an explanation, and so does `--help`.
pub(crate) fn parse() -> anyhow::Result<Arguments> {
    parse_line().or_else(|error| match error {
        ParseError::Line(error) => error.exit(),
        ParseError::Setting(error) => Err(error),
    })
}

/// Parses the command line of the process again, for a reload of `sockeye gateway`.
///
/// # Errors
/// Any mistake on the command line, in the file or in the environment.
pub(crate) fn parse_gateway_again() -> anyhow::Result<Parsed<GatewayArguments>> {
    parse_again(|command| match command {
        Command::Gateway(arguments) => Some(*arguments),
        _ => None,
    })
}

/// Parses the command line of the process again, for a reload of `sockeye exec`.
///
/// # Errors
/// Any mistake on the command line, in the file or in the environment.
pub(crate) fn parse_exec_again() -> anyhow::Result<Parsed<Exec>> {
    parse_again(|command| match command {
        Command::Exec(arguments) => Some(*arguments),
        _ => None,
    })
}

/// Parses the command line of the process again, for a reload of `sockeye serve`.
///
/// # Errors
/// Any mistake on the command line, in the file or in the environment.
pub(crate) fn parse_serve_again() -> anyhow::Result<Parsed<Serve>> {
    parse_again(|command| match command {
        Command::Serve(arguments) => Some(*arguments),
        _ => None,
    })
}

/// Parses the command line of the process again, for a reload of `sockeye tunnel serve`.
///
/// # Errors
/// Any mistake on the command line, in the file or in the environment.
pub(crate) fn parse_tunnel_again() -> anyhow::Result<Parsed<tunnel::Serve>> {
    parse_again(|command| match command {
        Command::Tunnel(arguments) => arguments.into_server(),
        _ => None,
    })
}

fn parse_again<T>(pick: fn(Command) -> Option<T>) -> anyhow::Result<Parsed<T>> {
    let Arguments { command, verbose, .. } = parse_line().map_err(ParseError::into_error)?;
    let arguments = pick(command).context("the command line is that of another command")?;
    Ok(Parsed { arguments, verbose })
}

/// Checks the files that a command line names.
///
/// # Errors
/// A sentence about the first file that cannot be used.
pub(crate) fn check_files(matches: &ArgMatches) -> anyhow::Result<()> {
    // A command may have arguments that no file of settings has.
    let Ok(arguments) = Arguments::from_arg_matches(matches) else { return Ok(()) };
    match arguments.command {
        Command::Exec(arguments) => exec::check_files(&arguments),
        Command::Gateway(arguments) => gateway::check_files(&arguments),
        Command::Serve(arguments) => arguments.check_files(),
        Command::Tunnel(arguments) => arguments.check_files(),
        _ => Ok(()),
    }
}

fn parse_line() -> Result<Arguments, ParseError> {
    let line: Vec<_> = std::env::args_os().collect();
    config::parse(&line)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_text_below_the_flags_fits_terminals_of_any_width() {
        for command in with_subcommands(Arguments::command()) {
            let Some(text) = command.get_after_help() else { continue };
            let text = text.to_string();
            let is_prose = |line: &str| !line.is_empty() && !line.starts_with(' ');
            for (line, next) in text.lines().zip(text.lines().skip(1)) {
                // Clap wraps a paragraph that is one line.
                let is_broken = is_prose(line) && is_prose(next) && !line.ends_with(':');
                assert!(!is_broken, "{}: {line}", command.get_name());
            }
            for line in text.lines().filter(|line| !is_prose(line)) {
                let length = line.chars().count();
                assert!(length <= 100, "{}: {line}", command.get_name());
            }
        }
    }

    fn with_subcommands(command: clap::Command) -> Vec<clap::Command> {
        let below = command.get_subcommands().cloned().flat_map(with_subcommands);
        let mut all: Vec<_> = below.collect();
        all.push(command);
        all
    }
}
