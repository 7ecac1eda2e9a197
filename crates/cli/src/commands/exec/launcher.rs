//! The step between the server and the command: this program, started again as the child, begins a
//! session of its own and then becomes the command. So the child needs no code between `fork` and
//! `exec`, which only unsafe code can provide.

use std::ffi::{OsStr, OsString};
use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use rustix::process::{ioctl_tiocsctty, setsid};
use signal_hook::consts::signal;
use signal_hook::flag::register_conditional_default;

/// The first argument of the program when it is a launcher. No command has this name.
const MARK: &str = "--launch-for-exec";

/// The signals that a server may have been started to ignore: by `nohup`, by a shell that runs it in
/// the background, by a supervisor.
const IGNORED: [i32; 9] = [
    signal::SIGHUP,
    signal::SIGINT,
    signal::SIGQUIT,
    signal::SIGTERM,
    signal::SIGUSR1,
    signal::SIGUSR2,
    signal::SIGTSTP,
    signal::SIGTTIN,
    signal::SIGTTOU,
];

/// Exit codes of shells for a command that cannot be run, and for one that does not exist.
const CANNOT_RUN: u8 = 126;
const NOT_FOUND: u8 = 127;

/// The streams of the command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Streams {
    Pipes,
    Terminal,
}

impl Streams {
    const fn name(self) -> &'static str {
        match self {
            Self::Pipes => "pipes",
            Self::Terminal => "terminal",
        }
    }
}

/// Returns the program and the first arguments of a command that launches another one.
pub(super) fn command(streams: Streams) -> std::io::Result<(PathBuf, [&'static str; 2])> {
    // On Linux this name stays valid when the file is replaced by a newer version.
    let program = if cfg!(target_os = "linux") {
        PathBuf::from("/proc/self/exe")
    } else {
        std::env::current_exe()?
    };
    Ok((program, [MARK, streams.name()]))
}

/// Becomes the command, if the arguments of this program are those of a launcher. Returns the exit
/// code when the command cannot be run, and `None` for other arguments.
pub(crate) fn launch_if_asked() -> Option<ExitCode> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next()?.as_os_str() != MARK {
        return None;
    }
    let streams = arguments.next()?;
    let program = arguments.next()?;
    let (code, problem) = launch(&streams, &program, arguments);
    let _ = writeln!(std::io::stderr(), "sockeye: cannot run {}: {problem}", program.display());
    Some(ExitCode::from(code))
}

/// Returns why the command cannot be run.
fn launch(
    streams: &OsStr,
    program: &OsStr,
    arguments: impl Iterator<Item = OsString>,
) -> (u8, std::io::Error) {
    let takes_terminal = streams == Streams::Terminal.name();
    if let Err(error) = restore_signals().and_then(|()| begin_session(takes_terminal)) {
        return (CANNOT_RUN, error);
    }
    let error = Command::new(program).args(arguments).exec();
    let code = if error.kind() == ErrorKind::NotFound { NOT_FOUND } else { CANNOT_RUN };
    (code, error)
}

/// Makes the command heed signals that the server ignores. The system passes an ignored signal on to
/// the command, which most shells then cannot change; one that has a handler becomes the default
/// again. The handlers themselves act as the default does, until then.
fn restore_signals() -> std::io::Result<()> {
    let always = Arc::new(AtomicBool::new(true));
    for signal in IGNORED {
        register_conditional_default(signal, Arc::clone(&always))?;
    }
    Ok(())
}

fn begin_session(takes_terminal: bool) -> std::io::Result<()> {
    setsid()?;
    if takes_terminal {
        ioctl_tiocsctty(std::io::stdin())?;
    }
    // A server that is killed ends no process. The system does it then: the signal is for the end
    // of the thread that started the child, and those of the server's runtime last as long as it.
    #[cfg(target_os = "linux")]
    {
        use rustix::process::{Signal, set_parent_process_death_signal};
        set_parent_process_death_signal(Some(Signal::TERM))?;
    }
    Ok(())
}
