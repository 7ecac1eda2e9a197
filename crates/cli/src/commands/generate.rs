//! `sockeye completions` and `sockeye man`: files for shells and manuals, from the definition of the
//! command line.

use std::io::Write as _;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

/// Print the completions of a shell
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye completions bash > /usr/share/bash-completion/completions/sockeye
  sockeye completions zsh > /usr/share/zsh/site-functions/_sockeye
  sockeye completions fish > /usr/share/fish/vendor_completions.d/sockeye.fish")]
pub(crate) struct Completions {
    #[arg(value_enum)]
    shell: Shell,
}

/// Write manual pages of the program and of each command into a folder
#[derive(Debug, Args)]
pub(crate) struct Man {
    #[arg(value_name = "FOLDER")]
    folder: PathBuf,
}

/// Prints completions of `program`.
///
/// # Errors
/// Standard output cannot be written.
pub(crate) fn completions(arguments: &Completions, mut program: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut program, "sockeye", &mut script);
    std::io::stdout().write_all(&script).context("cannot print the completions")
}

/// Writes manual pages of `program`.
///
/// # Errors
/// The folder cannot be written.
pub(crate) fn man(arguments: &Man, program: Command) -> anyhow::Result<()> {
    let folder = &arguments.folder;
    std::fs::create_dir_all(folder)
        .and_then(|()| clap_mangen::generate_to(program, folder))
        .with_context(|| format!("cannot write manual pages into {}", folder.display()))
}
