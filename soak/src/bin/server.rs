//! A server of the soak: `soak-server KIND`, controlled by lines on its standard input.

use clap::Parser;
use sockeye_soak::serve::{self, Kind};

#[derive(Debug, Parser)]
struct Arguments {
    /// The API of the server
    kind: Kind,
}

fn main() -> anyhow::Result<()> {
    serve::run(Arguments::parse().kind)
}
