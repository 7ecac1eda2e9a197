use std::net::TcpStream;
use std::os::fd::{AsRawFd, RawFd};

use io_uring::Submitter;
use io_uring::types::Fd;

/// Maximum number of sockets that a ring knows by an index; further ones are named by their
/// descriptor.
const LIMIT: u32 = 16 * 1024;

/// Descriptor that removes a file from its place.
const NONE: RawFd = -1;

/// Registered sockets, which the kernel need not look up for each operation.
#[derive(Debug, Default)]
pub(super) struct Files {
    places: u32,
    used: u32,
    free: Vec<u32>,
    closing: Vec<Stream>,
}

/// A socket, with its place among the registered files of its ring.
#[derive(Debug)]
pub(super) struct Stream {
    socket: TcpStream,
    place: Option<u32>,
}

impl Stream {
    pub(super) fn new(socket: TcpStream) -> Self {
        Self { socket, place: None }
    }

    pub(super) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    pub(super) fn name(&self) -> Name {
        match self.place {
            Some(place) => Name::Place(place),
            None => Name::Descriptor(Fd(self.socket.as_raw_fd())),
        }
    }
}

/// The name of a socket in operations.
#[derive(Clone, Copy, Debug)]
pub(super) enum Name {
    Place(u32),
    Descriptor(Fd),
}

impl Files {
    /// Registers places, as many as the process may have open files: the kernel allows no more.
    pub(super) fn register(submitter: &Submitter<'_>) -> Self {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current;
        let limit = limit.and_then(|limit| u32::try_from(limit).ok()).unwrap_or(LIMIT);
        let places = limit.min(LIMIT);
        match submitter.register_files_sparse(places) {
            Ok(()) => Self { places, ..Self::default() },
            // On an older kernel, or without memory, operations use descriptors.
            Err(_) => Self::default(),
        }
    }

    /// Gives a socket a place, if one is left.
    pub(super) fn adopt(&mut self, submitter: &Submitter<'_>, stream: &mut Stream) {
        let fresh = (self.used < self.places).then_some(self.used);
        let place = self.free.last().copied().or(fresh);
        let place = place.filter(|&place| {
            submitter.register_files_update(place, &[stream.socket.as_raw_fd()]).is_ok()
        });
        if place.is_some() && self.free.pop().is_none() {
            self.used += 1;
        }
        stream.place = place;
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
    /// might reach another socket that has taken over the name.
    pub(super) fn close_all(&mut self, submitter: &Submitter<'_>) {
        for Stream { socket, place } in self.closing.drain(..) {
            if let Some(place) = place {
                if submitter.register_files_update(place, &[NONE]).is_ok() {
                    self.free.push(place);
                }
            }
            drop(socket);
        }
    }
}
