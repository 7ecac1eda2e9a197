//! TCP echo on bare epoll, one thread, level-triggered: the baseline for any epoll server.
//!
//! Per wake-up of a connection, the server makes one `read` into a buffer that all connections
//! share, and one `write`.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use sockeye_bench::serve::{self, Arguments};

/// Size of the read buffer, which takes all that a socket has in one read; the same as uWebSockets'
/// shared buffer.
const BUFFER_SIZE: usize = 512 * 1024;
const LISTENER_TOKEN: u64 = u64::MAX;

/// A connection, and the bytes that its socket did not accept.
struct Connection {
    stream: TcpStream,
    unwritten: Vec<u8>,
    /// Number of bytes at the start of `unwritten` that have been written since.
    written: usize,
}

fn main() -> io::Result<()> {
    let listener = TcpListener::bind(Arguments::parse(&[])?.address)?;
    serve::print_address(listener.local_addr()?);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    epoll::add(&epoll, &listener, EventData::new_u64(LISTENER_TOKEN), EventFlags::IN)?;
    let mut connections: Vec<Option<Connection>> = Vec::new();
    let mut buffer = vec![0; BUFFER_SIZE];
    let mut events = Vec::with_capacity(1024);
    loop {
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events.drain(..) {
            let data = event.data;
            if data.u64() == LISTENER_TOKEN {
                let (stream, _) = listener.accept()?;
                stream.set_nodelay(true)?;
                stream.set_nonblocking(true)?;
                let data = EventData::new_u64(connections.len() as u64);
                epoll::add(&epoll, &stream, data, EventFlags::IN)?;
                connections.push(Some(Connection { stream, unwritten: Vec::new(), written: 0 }));
                continue;
            }
            let index = usize::try_from(data.u64()).expect("an index given above");
            let Some(connection) = &mut connections[index] else { continue };
            let was_blocked = !connection.unwritten.is_empty();
            if connection.echo(&mut buffer).is_err() {
                // Dropping the stream also removes it from the epoll instance.
                connections[index] = None;
                continue;
            }
            let blocked = !connection.unwritten.is_empty();
            if blocked != was_blocked {
                let flags = if blocked { EventFlags::OUT } else { EventFlags::IN };
                epoll::modify(&epoll, &connection.stream, data, flags)?;
            }
        }
    }
}

impl Connection {
    /// Writes the unwritten bytes, or else reads once and writes the data; an error ends the
    /// connection.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if !self.unwritten.is_empty() {
            self.written += write(&mut self.stream, &self.unwritten[self.written..])?;
            if self.written == self.unwritten.len() {
                self.unwritten.clear();
                self.written = 0;
            }
            return Ok(());
        }
        let size = match self.stream.read(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(size) => size,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        };
        let written = write(&mut self.stream, &buffer[..size])?;
        self.unwritten.extend_from_slice(&buffer[written..size]);
        Ok(())
    }
}

/// Writes as much as the socket accepts now, which may be nothing.
fn write(stream: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match stream.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}
