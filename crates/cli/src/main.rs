//! The program `sockeye`: see `sockeye --help`.

use std::process::ExitCode;

use clap::Parser;

use crate::arguments::{Arguments, Command};
use crate::commands::serve;

mod allocator;
mod arguments;
mod commands;
mod host;
mod logs;
mod units;

fn main() -> ExitCode {
    allocator::set_up();
    match run(Arguments::parse()) {
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
        Command::Serve(options) => serve::run(&options),
    }
}
