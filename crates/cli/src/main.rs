//! The program `sockeye`: see `sockeye --help`.

use std::io::Write as _;
use std::process::ExitCode;

use clap::CommandFactory as _;

use crate::arguments::{Arguments, Command};
use crate::client::Failure;
use crate::commands::{
    bench, call, config as config_command, connect, exec, gateway, generate, serve, tunnel,
};

mod allocator;
mod arguments;
mod client;
mod commands;
mod config;
mod host;
mod logs;
mod parsed;
mod runtime;
mod telemetry;
mod terminal;
mod units;

fn main() -> ExitCode {
    if let Some(code) = exec::launch_if_asked() {
        return code;
    }
    // While there is one thread.
    #[cfg(unix)]
    host::activation::find_sockets();
    allocator::set_up();
    match arguments::parse().and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Not `eprintln!`, which panics where standard error is closed: the exit code remains.
            let _ = writeln!(std::io::stderr(), "sockeye: {error:#}");
            Failure::exit_code_of(&error)
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    if arguments.command.is_server() {
        telemetry::start()?;
    }
    logs::start(arguments.verbose, arguments.log)?;
    let result = run_command(arguments.command);
    telemetry::finish();
    result
}

fn run_command(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Bench(options) => bench::run(&options),
        Command::Call(options) => call::run(&options),
        Command::Completions(options) => generate::completions(&options, Arguments::command()),
        Command::Connect(options) => connect::run(&options),
        Command::Config(options) => {
            config_command::run(&options, &Arguments::command(), arguments::check_files)
        }
        Command::Exec(options) => exec::run(*options, arguments::parse_exec_again),
        Command::Gateway(options) => gateway::run(*options, arguments::parse_gateway_again),
        Command::Man(options) => generate::man(&options, Arguments::command()),
        Command::Serve(options) => serve::run(*options, arguments::parse_serve_again),
        Command::Tunnel(options) => tunnel::run(options, arguments::parse_tunnel_again),
    }
}
