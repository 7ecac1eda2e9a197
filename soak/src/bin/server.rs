//! A server of the soak: `soak-server KIND`, told what to do by lines on its input.

use clap::Parser;
use sockeye_soak::serve::{self, Kind};

#[derive(Debug, Parser)]
struct Arguments {
    /// Which API serves.
    kind: Kind,
}

fn main() -> anyhow::Result<()> {
    serve::run(Arguments::parse().kind)
}
