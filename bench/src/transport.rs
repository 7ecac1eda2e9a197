//! The transport of a connection, plain or TLS, with one `read` and one `write` per wake-up in both
//! cases.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use rustls::{ClientConnection, StreamOwned};

/// Maximum size of the ciphertext read per wake-up of a connection, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// A connected socket, blocking or non-blocking.
#[derive(Debug)]
pub(crate) enum Transport {
    /// Plain bytes.
    Plain(TcpStream),
    /// TLS records.
    Tls(Box<Tls>),
}

/// A TLS session and its socket.
#[derive(Debug)]
pub(crate) struct Tls {
    stream: StreamOwned<ClientConnection, TcpStream>,
    ciphertext: Vec<u8>,
}

impl Transport {
    /// Creates a TLS transport over `tcp`. The TLS handshake takes place with the first bytes
    /// written or read.
    pub(crate) fn tls(mut session: ClientConnection, tcp: TcpStream) -> Self {
        // Each message is encrypted whole: the messages in flight bound the session's buffer.
        session.set_buffer_limit(None);
        let stream = StreamOwned::new(session, tcp);
        Self::Tls(Box::new(Tls { stream, ciphertext: vec![0; READ_SIZE] }))
    }

    /// Returns the socket, to wait on.
    pub(crate) fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &tls.stream.sock,
        }
    }

    /// Reads from the socket once; [`io::ErrorKind::WouldBlock`] if the read yielded no plaintext.
    pub(crate) fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.read_once(buffer),
        }
    }

    /// Writes as much as the socket takes in one call. With TLS, the session takes all bytes, and
    /// [`Transport::flush_pending`] writes the ciphertext to the socket.
    pub(crate) fn write_once(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.stream.conn.writer().write(bytes),
        }
    }

    /// Writes the pending ciphertext. Returns `false` if the socket does not take all of it.
    pub(crate) fn flush_pending(&mut self) -> io::Result<bool> {
        match self {
            Self::Plain(_) => Ok(true),
            Self::Tls(tls) => {
                let StreamOwned { conn, sock } = &mut tls.stream;
                while conn.wants_write() {
                    match conn.write_tls(sock) {
                        Ok(_) => {}
                        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                            return Ok(false);
                        }
                        Err(error) => return Err(error),
                    }
                }
                Ok(true)
            }
        }
    }
}

impl Tls {
    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let StreamOwned { conn, sock } = &mut self.stream;
        let size = sock.read(&mut self.ciphertext)?;
        let mut ciphertext = &self.ciphertext[..size];
        let mut filled = 0;
        // The session takes about one record at a time.
        while !ciphertext.is_empty() {
            conn.read_tls(&mut ciphertext)?;
            conn.process_new_packets().map_err(io::Error::other)?;
            filled += drain(conn, &mut buffer[filled..])?;
        }
        match (size, filled) {
            (0, _) => Ok(0),
            (_, 0) => Err(io::ErrorKind::WouldBlock.into()),
            _ => Ok(filled),
        }
    }
}

/// Takes all available plaintext. A peer that closed its sending side is noticed when the socket
/// ends.
fn drain(session: &mut ClientConnection, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match session.reader().read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(size) => filled += size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// For the opening handshake, during which the socket is blocking.
impl Read for Transport {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.stream.read(buffer),
        }
    }
}

/// For the opening handshake, during which the socket is blocking.
impl Write for Transport {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.write(bytes),
            Self::Tls(tls) => tls.stream.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(tcp) => tcp.flush(),
            Self::Tls(tls) => tls.stream.flush(),
        }
    }
}
