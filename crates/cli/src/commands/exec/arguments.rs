//! The arguments of `sockeye exec`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::host::Hosting;
use crate::host::bearer::BearerArguments;
use crate::units;

/// Serve a command over WebSockets: its lines, bytes or messages, or a terminal with a page
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  sockeye exec -- grep --line-buffered error
  sockeye exec --messages -- ./server
  sockeye exec --pty -- bash
  sockeye exec --pty --shared --read-only -- htop
  sockeye exec --pty --listen 0.0.0.0:8443 --self-signed --token-file tokens.txt -- bash

Each connection starts a process of its own, or joins the one of --shared. Without a mode, a line \
of standard output is a text message, and a message is a line of standard input. When the process \
ends, the connection is closed with 1000 after exit code 0, 4000 + N after exit code N, and 4128 + \
N after signal N. When the client leaves, standard input ends, then the process group gets SIGTERM \
(a terminal SIGHUP), then SIGKILL.

The URL, the query and the headers reach the process as CGI variables, never as arguments.

With --pty, the page is at /, and WebSockets speak the subprotocols sockeye.tty.v1 and tty, which \
is that of ttyd.")]
#[allow(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) hosting: Hosting,

    #[command(flatten)]
    pub(crate) bearer: BearerArguments,

    /// Admit clients with one of the tokens in this file too; they see the output, and send nothing
    #[arg(long, value_name = "FILE", requires_all = ["token_file", "shared"])]
    #[arg(help_heading = "Access")]
    pub(crate) read_only_token_file: Option<PathBuf>,

    /// Let no client send anything to the process
    #[arg(long, help_heading = "Access")]
    pub(crate) read_only: bool,

    /// Accept WebSockets from pages of this origin besides the server's own, such as
    /// https://*.example.com (repeatable)
    #[arg(long, value_name = "PATTERN", help_heading = "Access")]
    #[arg(value_parser = units::origin_pattern)]
    pub(crate) allow_origin: Vec<String>,

    /// Run the command on a terminal, and serve a page that shows it
    #[arg(long, help_heading = "Mode", conflicts_with_all = ["bytes", "messages", "stderr"])]
    pub(crate) pty: bool,

    /// Send what one read of standard output returns as a binary message; write messages as they
    /// are
    #[arg(long, help_heading = "Mode", conflicts_with = "messages")]
    pub(crate) bytes: bool,

    /// Keep messages whole: each is preceded by its length in four bytes, highest first, whose
    /// highest bit marks a binary message
    #[arg(long, help_heading = "Mode")]
    pub(crate) messages: bool,

    /// Run one process for all connections: all get its output, and what they send is its input
    #[arg(long, help_heading = "Mode")]
    pub(crate) shared: bool,

    /// Destination of standard error
    #[arg(long, value_enum, default_value = "log", help_heading = "Mode")]
    pub(crate) stderr: StandardError,

    /// Run the command in this folder
    #[arg(long, value_name = "FOLDER", help_heading = "Process")]
    pub(crate) cwd: Option<PathBuf>,

    /// Set a variable of the process (repeatable)
    #[arg(long, value_name = "NAME=VALUE", help_heading = "Process", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,

    /// Maximum number of simultaneous processes; further clients are refused with 503, those of a
    /// terminal with 1013
    #[arg(long, value_name = "NUMBER", default_value = "100", help_heading = "Process")]
    #[arg(value_parser = units::connections)]
    pub(crate) max_processes: usize,

    /// Time between the end of standard input and the first signal, and between the signals
    #[arg(long, value_name = "DURATION", default_value = "1s", help_heading = "Process")]
    #[arg(value_parser = units::duration)]
    pub(crate) grace: Duration,

    /// Time for which a terminal without a viewer is kept
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Terminal")]
    #[arg(value_parser = units::duration, requires = "pty")]
    pub(crate) linger: Duration,

    /// Record the output as an asciicast v2; further sessions get a number before the extension
    #[arg(long, value_name = "FILE", help_heading = "Terminal", requires = "pty")]
    pub(crate) record: Option<PathBuf>,

    /// Pass the titles that programs set on to viewers
    #[arg(long, help_heading = "Terminal", requires = "pty")]
    pub(crate) allow_title: bool,

    /// Pass requests of programs to change the viewers' clipboards on (OSC 52)
    #[arg(long, help_heading = "Terminal", requires = "pty")]
    pub(crate) allow_clipboard: bool,

    /// Maximum length of a message, in both directions
    #[arg(long, value_name = "SIZE", default_value = "1MiB", help_heading = "Limits")]
    #[arg(value_parser = units::size)]
    pub(crate) max_message: usize,

    /// Silence after which the server drops a WebSocket; pings keep a responsive client connected
    #[arg(long, value_name = "DURATION", default_value = "60s", help_heading = "Limits")]
    #[arg(value_parser = units::duration)]
    pub(crate) idle_timeout: Duration,

    /// The command and its arguments
    #[arg(value_name = "COMMAND", last = true, required = true)]
    pub(crate) command: Vec<OsString>,
}

/// The destination of standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StandardError {
    /// The log of this program, line by line
    Log,
    /// Standard output
    Merge,
    /// The client: messages begin with 1 for standard output, with 2 for standard error
    Tag,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => {
            Ok((name.to_owned(), value.to_owned()))
        }
        _ => Err("expected a variable such as LANG=C.UTF-8".to_owned()),
    }
}
