//! The program `sockeye`: see `sockeye --help`.

use std::process::ExitCode;

use crate::arguments::{Arguments, Command};
use crate::commands::{gateway, serve};

mod allocator;
mod arguments;
mod commands;
mod host;
mod logs;
mod units;

fn main() -> ExitCode {
    allocator::set_up();
    match arguments::parse().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sockeye: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    logs::start(arguments.verbose)?;
    match arguments.command {
        Command::Gateway(options) => gateway::run(*options),
        Command::Serve(options) => serve::run(&options),
    }
}
