//! The command line.

use anyhow::bail;
use clap::{ArgAction, Parser, Subcommand};

use crate::commands::bench::Bench;
use crate::commands::call::Call;
use crate::commands::connect::Connect;
use crate::commands::gateway::{self, GatewayArguments, ParseError};
use crate::commands::serve::Serve;

/// WebSocket tools for the command line.
#[derive(Debug, Parser)]
#[command(
    name = "sockeye",
    version,
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
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Bench(Box<Bench>),
    Call(Box<Call>),
    Connect(Box<Connect>),
    Gateway(Box<GatewayArguments>),
    Serve(Box<Serve>),
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
pub(crate) fn parse_gateway_again() -> anyhow::Result<GatewayArguments> {
    match parse_line().map_err(ParseError::into_error)?.command {
        Command::Gateway(arguments) => Ok(*arguments),
        _ => bail!("the command line is that of another command"),
    }
}

fn parse_line() -> Result<Arguments, ParseError> {
    let line: Vec<_> = std::env::args_os().collect();
    gateway::parse(&line)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_flags_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }
}
