//! The driver of the soak: starts a server, and exits with status 0 only if all checks passed.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use sockeye_soak::drive::{self, SoakPlan};
use sockeye_soak::serve::ServerKind;

#[derive(Debug, Parser)]
struct Arguments {
    /// The kind of server: its API, and for the handler server its backend
    kind: ServerKind,
    /// Duration, in seconds
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// Number of concurrent connections
    #[arg(long, default_value_t = 2000)]
    connections: usize,
    /// The program `soak-server`, if it is not in this program's folder
    #[arg(long)]
    server: Option<PathBuf>,
}

#[tokio::main(worker_threads = 2)]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let program = match arguments.server {
        Some(program) => program,
        None => std::env::current_exe()?.parent().context("no folder")?.join("soak-server"),
    };
    let plan = SoakPlan {
        program,
        kind: arguments.kind,
        duration: Duration::from_secs(arguments.seconds),
        connections: arguments.connections,
    };
    let passed = drive::run(&plan).await?.passed();
    Ok(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
