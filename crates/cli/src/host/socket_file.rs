//! A listening socket in the file system.

use std::io::ErrorKind;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, bail};

/// The file of a socket, removed when dropped: unless another process has put its own socket there,
/// or has taken over this one.
#[derive(Debug)]
pub(crate) struct SocketFile {
    path: PathBuf,
    /// Device and inode.
    id: (u64, u64),
    is_handed_over: Arc<AtomicBool>,
}

impl SocketFile {
    /// Owns the file of a socket.
    ///
    /// # Errors
    /// Those of the file system.
    pub(super) fn own(path: &Path) -> std::io::Result<Self> {
        Ok(Self { path: path.to_owned(), id: id(path)?, is_handed_over: Arc::default() })
    }

    /// Returns the flag that keeps the file when it is set.
    pub(super) fn handover_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_handed_over)
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        let is_own = || id(&self.path).is_ok_and(|id| id == self.id);
        if !self.is_handed_over.load(Ordering::Relaxed) && is_own() {
            // A file that stays is removed by the next server.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

fn id(path: &Path) -> std::io::Result<(u64, u64)> {
    let metadata = std::fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

/// Listens at `path`, with these permissions, or those of the process. Removes the socket of a
/// server that has ended without removing it.
///
/// # Errors
/// The reason, such as a server that answers at `path`, or a file that is no socket.
pub(crate) fn bind(path: &Path, mode: Option<u32>) -> anyhow::Result<(UnixListener, SocketFile)> {
    let listener = match UnixListener::bind(path) {
        Err(error) if error.kind() == ErrorKind::AddrInUse => {
            remove_stale(path)?;
            UnixListener::bind(path)?
        }
        bound => bound?,
    };
    let file = SocketFile::own(path)?;
    if let Some(mode) = mode {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
            .context("cannot set the permissions")?;
    }
    Ok((listener, file))
}

fn remove_stale(path: &Path) -> anyhow::Result<()> {
    let metadata = std::fs::symlink_metadata(path)?;
    if !metadata.file_type().is_socket() {
        bail!("the file exists, and is no socket");
    }
    match UnixStream::connect(path) {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).context("cannot remove the socket of an ended program")
        }
        Err(error) => Err(error).context("cannot find out whether another program answers there"),
        Ok(_) => bail!("another program listens there; stop it, or choose another path"),
    }
}
