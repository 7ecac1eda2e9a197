use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::Submitter;
use io_uring::types::Fd;

/// Maximum number of sockets that a ring registers. Operations on further ones use their
/// descriptors.
const LIMIT: u32 = 16 * 1024;

/// Descriptor that clears a slot of the table of registered files.
const NONE: RawFd = -1;

/// Registered sockets, which the kernel need not look up for each operation.
#[derive(Debug, Default)]
pub(super) struct Files {
    slots: u32,
    used: u32,
    free: Vec<u32>,
    closing: Vec<Stream>,
}

/// A socket, with its index among the registered files of its ring.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    index: Option<u32>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, index: None }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(super) fn target(&self) -> Target {
        match self.index {
            Some(index) => Target::Fixed(index),
            None => Target::Fd(Fd(self.socket.as_raw_fd())),
        }
    }
}

/// The target of an operation: a registered file by its index, or a descriptor.
#[derive(Clone, Copy, Debug)]
pub(super) enum Target {
    Fixed(u32),
    Fd(Fd),
}

impl Files {
    /// Registers a table with as many slots as the process may have open files: the kernel allows
    /// no more.
    pub(super) fn register(submitter: &Submitter<'_>) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(LIMIT);
        let slots = limit.min(LIMIT);
        match submitter.register_files_sparse(slots) {
            Ok(()) => Self { slots, ..Self::default() },
            // On an older kernel, or without memory, operations use descriptors.
            Err(_) => Self::default(),
        }
    }

    /// Registers a socket, if a slot is free.
    pub(super) fn adopt(&mut self, submitter: &Submitter<'_>, stream: &mut Stream) {
        let fresh = (self.used < self.slots).then_some(self.used);
        let index = self.free.last().copied().or(fresh);
        let index = index.filter(|&index| {
            submitter.register_files_update(index, &[stream.socket.as_raw_fd()]).is_ok()
        });
        if index.is_some() && self.free.pop().is_none() {
            self.used += 1;
        }
        stream.index = index;
    }

    /// Closes a socket at the next [`Files::close_all`].
    pub(super) fn close(&mut self, stream: Stream) {
        self.closing.push(stream);
    }

    /// Returns whether there are sockets to close.
    #[inline]
    pub(super) fn are_closing(&self) -> bool {
        !self.closing.is_empty()
    }

    /// Closes the sockets. All of their operations must have been submitted: otherwise an operation
    /// might reach another socket that has got the same index or descriptor.
    pub(super) fn close_all(&mut self, submitter: &Submitter<'_>) {
        for Stream { socket, index } in self.closing.drain(..) {
            if let Some(index) = index {
                if submitter.register_files_update(index, &[NONE]).is_ok() {
                    self.free.push(index);
                }
            }
            drop(socket);
        }
    }
}
