//! The command that the server runs for its clients.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rustix::fs::{Access, access};
use tokio::process::Command;

use super::arguments::Exec;
use super::environment;
use super::launcher::{self, Streams};

/// The command of the command line. Nothing of a request changes its program or arguments.
#[derive(Debug)]
pub(super) struct CommandLine {
    program: OsString,
    arguments: Vec<OsString>,
    folder: Option<PathBuf>,
    variables: Vec<(String, String)>,
    streams: Streams,
}

impl CommandLine {
    /// Takes the command from the command line.
    ///
    /// # Errors
    /// When there is no such program or folder.
    pub(super) fn new(options: &Exec) -> anyhow::Result<Self> {
        let (program, arguments) = options.command.split_first().context("no command")?;
        if let Some(folder) = &options.cwd
            && !folder.is_dir()
        {
            bail!("{} of --cwd is no folder", folder.display());
        }
        if !is_found(program, options.cwd.as_deref()) {
            bail!("there is no program {} that can be run", program.display());
        }
        Ok(Self {
            program: program.clone(),
            arguments: arguments.to_vec(),
            folder: options.cwd.clone(),
            variables: options.env.clone(),
            streams: if options.pty { Streams::Terminal } else { Streams::Pipes },
        })
    }

    /// Returns the command for a process with these variables, without its streams.
    ///
    /// # Errors
    /// When the path of this program is unknown.
    pub(super) fn command(&self, variables: &[(String, OsString)]) -> std::io::Result<Command> {
        let (launcher, arguments) = launcher::command(self.streams)?;
        let mut command = Command::new(launcher);
        command.args(arguments).arg(&self.program).args(&self.arguments);
        for (name, _) in std::env::vars_os().filter(|(name, _)| environment::is_withheld(name)) {
            command.env_remove(name);
        }
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        if self.streams == Streams::Terminal {
            command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
            // Those of the terminal of this program.
            command.env_remove("LINES").env_remove("COLUMNS");
        }
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        if let Some(folder) = &self.folder {
            command.current_dir(folder);
        }
        command.kill_on_drop(true);
        Ok(command)
    }

    /// Returns the name of the program, for titles.
    pub(super) fn name(&self) -> String {
        let path = Path::new(&self.program);
        path.file_name().unwrap_or(&self.program).to_string_lossy().into_owned()
    }
}

/// Returns whether a program can be run, as the search for it would find: by its path, relative to
/// the folder of the process, or by its name in the search path.
fn is_found(program: &OsStr, folder: Option<&Path>) -> bool {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return is_program(&folder.unwrap_or(Path::new(".")).join(path));
    }
    let folders = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&folders).any(|folder| is_program(&folder.join(path)))
}

fn is_program(path: &Path) -> bool {
    path.is_file() && access(path, Access::EXEC_OK).is_ok()
}
