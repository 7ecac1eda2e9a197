use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use crate::output::{MAX_SLICES, Output};

/// Size of the buffer for decrypted input, in bytes: at least one record (RFC 8446 section 5.2).
const PLAIN_SIZE: usize = 16 * 1024;

/// The TLS session between a connection and its socket, without I/O.
pub(super) struct TlsSession {
    connection: ServerConnection,
    sealed: Output,
    ended: bool,
}

impl TlsSession {
    /// Creates a session, if the server uses TLS.
    pub(super) fn new(config: Option<&Arc<ServerConfig>>) -> io::Result<Option<Box<Self>>> {
        let Some(config) = config else { return Ok(None) };
        let mut connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        // Encrypted output is written at once, and the limit of the connection's unwritten output
        // bounds it.
        connection.set_buffer_limit(None);
        Ok(Some(Box::new(Self { connection, sealed: Output::default(), ended: false })))
    }

    /// Decrypts some of `input` to the start of `plain`, and returns the decrypted length; `None`
    /// when more input is needed.
    pub(super) fn open(
        &mut self,
        input: &mut &[u8],
        plain: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        plain.resize(PLAIN_SIZE, 0);
        loop {
            match self.connection.reader().read(plain) {
                Ok(length @ 1..) => return Ok(Some(length)),
                // The peer has ended its half: the socket will report that too.
                Ok(0) => {
                    *input = &[];
                    return Ok(None);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
            if input.is_empty() {
                return Ok(None);
            }
            self.connection.read_tls(input)?;
            let processed = self.connection.process_new_packets();
            self.collect();
            processed.map_err(io::Error::other)?;
        }
    }

    /// Encrypts all of `output`, whose payloads in place lie in `input`.
    pub(super) fn seal(&mut self, output: &mut Output, input: &[u8]) {
        while !output.is_empty() {
            let mut slots = [IoSlice::new(&[]); MAX_SLICES];
            let slices = output.slices(input, &mut slots);
            // The session's buffer has no limit, and this does no I/O.
            let Ok(length @ 1..) = self.connection.writer().write_vectored(slices) else { break };
            output.advance(length);
        }
        self.collect();
    }

    /// Notifies the peer that nothing more follows (RFC 8446 section 6.1).
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.connection.send_close_notify();
            self.collect();
        }
    }

    /// Returns the encrypted output, to be written to the socket.
    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.sealed
    }

    fn collect(&mut self) {
        while self.connection.wants_write() {
            // Writing into memory never fails.
            if self.connection.write_tls(self.sealed.buffer()).is_err() {
                break;
            }
        }
        self.sealed.shrink();
    }
}

impl fmt::Debug for TlsSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsSession").finish_non_exhaustive()
    }
}
