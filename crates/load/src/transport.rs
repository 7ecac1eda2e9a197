//! The transport of a connection, plain or TLS: blocking while it is opened, then non-blocking with
//! one `read` and one `write` per wake-up in both cases.

use std::io::{self, Read, Write};
use std::net::TcpStream;

use mio::net::TcpStream as NonBlocking;
use rustls::{ClientConnection, StreamOwned};

/// Maximum size of the ciphertext of one read, in bytes.
const READ_SIZE: usize = 64 * 1024;

/// `true` if a partial read or write shows that the socket has or takes no more data, so that the
/// next event reports when that changes. True for epoll and kqueue; elsewhere only an error shows
/// it.
const PARTIAL_IS_LAST: bool = cfg!(unix);

/// A connected socket, plain or with TLS.
#[derive(Debug)]
pub(crate) enum Transport<S: Read + Write> {
    /// Plain bytes.
    Plain(S),
    /// TLS records.
    Tls(Box<Tls<S>>),
}

/// A TLS session and its socket.
#[derive(Debug)]
pub(crate) struct Tls<S: Read + Write> {
    stream: StreamOwned<ClientConnection, S>,
    /// Buffer of one read; empty while the socket is blocking.
    ciphertext: Vec<u8>,
}

/// A read from a socket that is not blocking.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ReadOutcome {
    /// The size of the plaintext, in bytes, and whether the socket may have more data. The size is
    /// 0 if all data belonged to TLS itself.
    Data { size: usize, has_more: bool },
    /// The server ended its half of the connection.
    End,
    /// Nothing can be read now.
    Blocked,
}

impl Transport<TcpStream> {
    /// Creates a TLS transport over the blocking socket `tcp`. The TLS handshake takes place with
    /// the first bytes written or read.
    pub(crate) fn tls(mut session: ClientConnection, tcp: TcpStream) -> Self {
        // Each message is encrypted whole: the messages in flight bound the session's buffer.
        session.set_buffer_limit(None);
        let stream = StreamOwned::new(session, tcp);
        Self::Tls(Box::new(Tls { stream, ciphertext: Vec::new() }))
    }

    /// Makes the socket non-blocking, for an event loop.
    pub(crate) fn into_nonblocking(self) -> io::Result<Transport<NonBlocking>> {
        let convert = |tcp: TcpStream| {
            tcp.set_nonblocking(true)?;
            io::Result::Ok(NonBlocking::from_std(tcp))
        };
        Ok(match self {
            Self::Plain(tcp) => Transport::Plain(convert(tcp)?),
            Self::Tls(tls) => {
                let StreamOwned { conn, sock } = tls.stream;
                let stream = StreamOwned::new(conn, convert(sock)?);
                Transport::Tls(Box::new(Tls { stream, ciphertext: vec![0; READ_SIZE] }))
            }
        })
    }
}

impl Transport<NonBlocking> {
    /// Returns the socket, to wait on.
    pub(crate) fn socket(&mut self) -> &mut NonBlocking {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => &mut tls.stream.sock,
        }
    }

    /// Reads from the socket once.
    pub(crate) fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
        match self {
            Self::Plain(tcp) => read_socket(tcp, buffer),
            Self::Tls(tls) => tls.read_once(buffer),
        }
    }

    /// Writes `bytes` until the socket takes no more, and returns the size of what it took. With
    /// TLS, the session takes all bytes, and [`Transport::flush_pending`] writes the ciphertext to
    /// the socket.
    pub(crate) fn write_available(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let tcp = match self {
            Self::Plain(tcp) => tcp,
            Self::Tls(tls) => return tls.stream.conn.writer().write(bytes),
        };
        let mut written = 0;
        while written < bytes.len() {
            match tcp.write(&bytes[written..]) {
                Ok(size) => {
                    written += size;
                    if PARTIAL_IS_LAST {
                        break;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) => return Err(error),
            }
        }
        Ok(written)
    }

    /// Writes the pending ciphertext. Returns `false` if the socket does not take all of it.
    pub(crate) fn flush_pending(&mut self) -> io::Result<bool> {
        let Self::Tls(tls) = self else { return Ok(true) };
        let StreamOwned { conn, sock } = &mut tls.stream;
        while conn.wants_write() {
            match conn.write_tls(sock) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }
}

impl Tls<NonBlocking> {
    fn read_once(&mut self, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
        let StreamOwned { conn, sock } = &mut self.stream;
        let outcome = read_socket(sock, &mut self.ciphertext)?;
        let ReadOutcome::Data { size, has_more } = outcome else { return Ok(outcome) };
        let mut ciphertext = &self.ciphertext[..size];
        let mut filled = 0;
        // The session takes about one record at a time.
        while !ciphertext.is_empty() {
            conn.read_tls(&mut ciphertext)?;
            conn.process_new_packets().map_err(io::Error::other)?;
            filled += read_plaintext(conn, &mut buffer[filled..])?;
        }
        Ok(ReadOutcome::Data { size: filled, has_more })
    }
}

fn read_socket(tcp: &mut NonBlocking, buffer: &mut [u8]) -> io::Result<ReadOutcome> {
    match tcp.read(buffer) {
        Ok(0) => Ok(ReadOutcome::End),
        Ok(size) => {
            let has_more = size == buffer.len() || !PARTIAL_IS_LAST;
            Ok(ReadOutcome::Data { size, has_more })
        }
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(ReadOutcome::Blocked),
        Err(error) => Err(error),
    }
}

/// Reads all available plaintext. A peer that closed its sending side is noticed when the socket
/// ends.
fn read_plaintext(session: &mut ClientConnection, buffer: &mut [u8]) -> io::Result<usize> {
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

impl Read for Transport<TcpStream> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(tcp) => tcp.read(buffer),
            Self::Tls(tls) => tls.stream.read(buffer),
        }
    }
}

impl Write for Transport<TcpStream> {
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
