use std::fmt;
use std::io::{self, IoSlice, Read, Write};
use std::sync::Arc;

use rustls::{ServerConfig, ServerConnection};

use crate::output::{MAX_SLICES, Output};

/// Room for what one record brings at least, in bytes (RFC 8446 section 5.2).
const PLAIN_SIZE: usize = 16 * 1024;

/// TLS between a connection and its socket: bytes in, bytes out.
pub(super) struct TlsSession {
    connection: ServerConnection,
    sealed: Output,
    ended: bool,
}

impl TlsSession {
    /// A session, if the server speaks TLS.
    pub(super) fn new(config: Option<&Arc<ServerConfig>>) -> io::Result<Option<Box<Self>>> {
        let Some(config) = config else { return Ok(None) };
        let mut connection = ServerConnection::new(config.clone()).map_err(io::Error::other)?;
        // What is sealed is written at once, and bounded by what the connection may have unwritten.
        connection.set_buffer_limit(None);
        Ok(Some(Box::new(Self { connection, sealed: Output::default(), ended: false })))
    }

    /// Takes some of `input`. Gives the length of what was decrypted to the start of `plain`; `None` when there is no more of
    /// it without more input.
    pub(super) fn open(
        &mut self,
        input: &mut &[u8],
        plain: &mut Vec<u8>,
    ) -> io::Result<Option<usize>> {
        plain.resize(PLAIN_SIZE, 0);
        loop {
            match self.connection.reader().read(plain) {
                Ok(length @ 1..) => return Ok(Some(length)),
                // The peer has ended its half: the socket will say so too.
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

    /// Encrypts all of `output`, of which the payloads in place are in `input`.
    pub(super) fn seal(&mut self, output: &mut Output, input: &[u8]) {
        while !output.is_empty() {
            let mut slots = [IoSlice::new(&[]); MAX_SLICES];
            let slices = output.slices(input, &mut slots);
            // It has no limit and does no I/O.
            let Ok(length @ 1..) = self.connection.writer().write_vectored(slices) else { break };
            output.advance(length);
        }
        self.collect();
    }

    /// Says to the peer that nothing more will come (RFC 8446 section 6.1).
    pub(super) fn end(&mut self) {
        if !std::mem::replace(&mut self.ended, true) {
            self.connection.send_close_notify();
            self.collect();
        }
    }

    /// What is to be written to the socket.
    pub(super) fn output(&mut self) -> &mut Output {
        &mut self.sealed
    }

    fn collect(&mut self) {
        while self.connection.wants_write() {
            // Into memory: it never fails.
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
