//! TCP echo on bare epoll, one thread, level-triggered: the baseline for any epoll server.
//!
//! Per wake-up of a connection, the server makes one `read` into a buffer that all connections
//! share, and one `write`; with `--fan-out`, one `write` of these bytes to each connection: what a
//! fan-out costs at least without batching of system calls.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use sockeye_bench::mode::Ability;
use sockeye_bench::serve::{self, Arguments};

/// Size of the read buffer, which takes all that a socket has in one read; the same as uWebSockets'
/// shared buffer.
const BUFFER_SIZE: usize = 512 * 1024;
const LISTENER_TOKEN: u64 = u64::MAX;

/// The ping by which the driver asks whether its connection is subscribed, and the answer.
const PING: [u8; 6] = [0x89, 0x80, 0, 0, 0, 0];
const PONG: [u8; 2] = [0x8a, 0];

/// A connection, and the bytes that its socket did not accept.
struct Connection {
    stream: TcpStream,
    unwritten: Vec<u8>,
    /// Number of bytes at the start of `unwritten` that have been written since.
    written: usize,
}

fn main() -> io::Result<()> {
    let arguments = Arguments::parse(&[Ability::FanOut])?;
    let listener = TcpListener::bind(arguments.address)?;
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
            if arguments.mode.fan_out {
                serve_all(&epoll, &mut connections, index, &mut buffer)?;
            } else {
                serve_one(&epoll, &mut connections[index], index, |connection| {
                    connection.echo(&mut buffer)
                })?;
            }
        }
    }
}

/// Serves a connection, which watches for capacity while it has unwritten bytes, and drops it after
/// an error.
fn serve_one(
    epoll: &OwnedFd,
    slot: &mut Option<Connection>,
    index: usize,
    serve: impl FnOnce(&mut Connection) -> io::Result<()>,
) -> io::Result<()> {
    let Some(connection) = slot else { return Ok(()) };
    let was_blocked = !connection.unwritten.is_empty();
    if serve(connection).is_err() {
        // Dropping the stream also removes it from the epoll instance.
        *slot = None;
        return Ok(());
    }
    let blocked = !connection.unwritten.is_empty();
    if blocked != was_blocked {
        let flags = if blocked { EventFlags::OUT } else { EventFlags::IN };
        epoll::modify(epoll, &connection.stream, EventData::new_u64(index as u64), flags)?;
    }
    Ok(())
}

/// Reads from a connection, and writes the bytes to all connections.
fn serve_all(
    epoll: &OwnedFd,
    connections: &mut [Option<Connection>],
    index: usize,
    buffer: &mut [u8],
) -> io::Result<()> {
    let mut size = 0;
    serve_one(epoll, &mut connections[index], index, |connection| {
        if connection.unwritten.is_empty() {
            size = connection.read(buffer)?;
            Ok(())
        } else {
            connection.flush()
        }
    })?;
    if buffer[..size] == PING {
        return serve_one(epoll, &mut connections[index], index, |c| c.send(&PONG));
    }
    if size > 0 {
        for (index, connection) in connections.iter_mut().enumerate() {
            serve_one(epoll, connection, index, |connection| connection.send(&buffer[..size]))?;
        }
    }
    Ok(())
}

impl Connection {
    /// Writes the unwritten bytes, or else reads once and writes the data; an error ends the
    /// connection.
    fn echo(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        if !self.unwritten.is_empty() {
            return self.flush();
        }
        let size = self.read(buffer)?;
        self.send(&buffer[..size])
    }

    /// Reads once; returns 0 if there is nothing to read.
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.stream.read(buffer) {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
            result => result,
        }
    }

    /// Writes bytes, and keeps what the socket does not accept.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let written = match self.unwritten.is_empty() {
            true if !bytes.is_empty() => write(&mut self.stream, bytes)?,
            _ => 0,
        };
        self.unwritten.extend_from_slice(&bytes[written..]);
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.written += write(&mut self.stream, &self.unwritten[self.written..])?;
        if self.written == self.unwritten.len() {
            self.unwritten.clear();
            self.written = 0;
        }
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
