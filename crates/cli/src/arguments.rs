//! The command line.

use clap::{ArgAction, Parser, Subcommand};

use crate::commands::serve::Serve;

/// WebSocket tools for the command line.
#[derive(Debug, Parser)]
#[command(
    name = "sockeye",
    version,
    arg_required_else_help = true,
    disable_help_subcommand = true,
    max_term_width = 100,
    after_help = "Run `sockeye serve` and open the address it prints in a browser."
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
    Serve(Serve),
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
