//! A pseudo-terminal.

use std::ffi::OsStr;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Stdio;
use std::sync::Arc;

use rustix::fs::{Mode, OFlags};
use rustix::io::{Errno, FdFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::io::unix::AsyncFd;
use tokio::process::Command;

/// The size of a terminal in cells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) columns: u16,
    pub(super) rows: u16,
}

/// Bounds of a terminal's size: the screen takes memory for each cell, and two cells are the width
/// of a wide character.
const MIN_COLUMNS: u16 = 2;
const MAX_COLUMNS: u16 = 500;
const MAX_ROWS: u16 = 250;

impl Size {
    /// Returns the size nearest to one that a viewer asks for.
    pub(super) fn within_bounds(columns: u64, rows: u64) -> Self {
        let clamp = |value: u64, least: u16, most: u16| {
            u16::try_from(value).unwrap_or(most).clamp(least, most)
        };
        Self { columns: clamp(columns, MIN_COLUMNS, MAX_COLUMNS), rows: clamp(rows, 1, MAX_ROWS) }
    }
}

/// The server's side of a pseudo-terminal.
#[derive(Debug)]
pub(super) struct Pty {
    master: AsyncFd<Arc<OwnedFd>>,
}

impl Pty {
    /// Opens a pseudo-terminal, and makes its other side the streams of a command.
    ///
    /// # Errors
    /// When the system has no more.
    pub(super) fn open(size: Size, command: &mut Command) -> io::Result<Self> {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY;
        // Elsewhere, processes that start in this moment inherit it.
        #[cfg(target_os = "linux")]
        let flags = flags | OpenptFlags::CLOEXEC;
        let master = openpt(flags)?;
        rustix::io::fcntl_setfd(&master, FdFlags::CLOEXEC)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        set_size(&master, size)?;
        let name = ptsname(&master, Vec::new())?;
        let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
        let slave = rustix::fs::open(OsStr::from_bytes(name.to_bytes()), flags, Mode::empty())?;
        command.stdin(Stdio::from(slave.try_clone()?));
        command.stdout(Stdio::from(slave.try_clone()?));
        command.stderr(Stdio::from(slave));
        rustix::io::ioctl_fionbio(&master, true)?;
        #[allow(
            deprecated,
            reason = "the replacement is unsafe; this descriptor is owned, and never replaced"
        )]
        let master = AsyncFd::new(Arc::new(master))?;
        Ok(Self { master })
    }

    /// Returns the descriptor, for the signals of its foreground process group.
    pub(super) fn descriptor(&self) -> Arc<OwnedFd> {
        Arc::clone(self.master.get_ref())
    }

    /// Changes the size; the process gets SIGWINCH.
    pub(super) fn resize(&self, size: Size) {
        // Fails only once the terminal is gone.
        let _ = set_size(self.master.get_ref(), size);
    }

    /// Reads output; 0 at the end, when no process has the terminal open. Cancel safe.
    pub(super) async fn read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut ready = self.master.readable().await?;
            let read = ready.try_io(|master| Ok(rustix::io::read(master.get_ref(), &mut *buffer)?));
            match read {
                // Linux reports the end as an error.
                Ok(Err(error)) if Errno::from_io_error(&error) == Some(Errno::IO) => return Ok(0),
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }

    /// Calls `write` until it does not fail for lack of space or by an interruption. Cancel safe.
    pub(super) async fn when_writable<T>(
        &self,
        mut write: impl FnMut(&OwnedFd) -> io::Result<T>,
    ) -> io::Result<T> {
        loop {
            let mut ready = self.master.writable().await?;
            match ready.try_io(|master| write(master.get_ref())) {
                Ok(Err(error)) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(result) => return result,
                Err(_would_block) => {}
            }
        }
    }
}

fn set_size(master: &impl std::os::fd::AsFd, size: Size) -> io::Result<()> {
    let size = Winsize { ws_row: size.rows, ws_col: size.columns, ws_xpixel: 0, ws_ypixel: 0 };
    Ok(tcsetwinsize(master, size)?)
}
