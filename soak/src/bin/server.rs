//! A server of the soak: `soak-server KIND`, controlled by lines on its standard input.

use clap::Parser;
use sockeye_soak::serve::{self, ServerKind};

#[derive(Debug, Parser)]
struct Arguments {
    /// The kind of server: its API, and for the handler server its backend
    kind: ServerKind,
}

fn main() -> anyhow::Result<()> {
    serve::run(Arguments::parse().kind)
}
