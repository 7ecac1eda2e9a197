//! Workers on the system's readiness events (epoll, kqueue).

use std::io::{self, IoSlice, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::buffer::spare_capacity;

use super::Handler;
use super::mailbox::{Waker, Workers};
use super::worker::{End, Link, Settings, Worker};
use crate::output::{MAX_SLICES, Output};

/// The buffer that all connections of a worker read into, in bytes: what a socket has is nearly always less, so that one
/// read takes all of it.
const BUFFER_SIZE: usize = 256 * 1024;

/// Events taken at a time, at most.
const EVENTS: usize = 1024;

/// Reads from one connection in a row, at most, before others have their turn.
const MAX_READS: usize = 8;

/// Clients accepted in a row, at most, before connections have their turn.
const MAX_ACCEPTS: usize = 64;

/// The pause after an error of the listener that does not go away by itself, such as no more file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX);

/// What a worker waits on.
#[derive(Debug)]
pub(super) struct Poller(Poll);

impl Poller {
    pub(super) fn new() -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let wake = Box::new(move || {
            // The counter behind it is only ever full of wake-ups that were not seen yet.
            let _ = waker.wake();
        });
        Ok((Self(poll), wake))
    }
}

/// A socket, edge-triggered: what was not read or written yet is remembered here.
struct Socket {
    stream: TcpStream,
    /// There may be more to read than was read.
    readable: bool,
    /// The peer has ended its half, or the socket failed: only a read tells, after what came before.
    ended: bool,
    /// Its writing half was ended.
    shut_down: bool,
    /// Why it takes no more output.
    broken: Option<io::Error>,
}

/// One worker.
pub(super) struct Readiness<H> {
    poll: Poll,
    listener: Option<TcpListener>,
    worker: Worker<H, Socket>,
    settings: Arc<Settings>,
    buffer: Box<[u8]>,
    /// Connections that had their turn and may have more to read.
    again: Vec<usize>,
    /// There may be clients to accept, once there is room or the pause is over.
    acceptable: bool,
    paused_until: Option<Instant>,
}

impl<H: Handler> Readiness<H> {
    pub(super) fn new(
        index: usize,
        poller: Poller,
        listener: std::net::TcpListener,
        handler: H,
        settings: Arc<Settings>,
        workers: Arc<Workers>,
    ) -> io::Result<Self> {
        let mut listener = TcpListener::from_std(listener);
        poller.0.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        Ok(Self {
            poll: poller.0,
            listener: Some(listener),
            worker: Worker::new(index, handler, settings.clone(), workers),
            settings,
            buffer: vec![0; BUFFER_SIZE].into_boxed_slice(),
            again: Vec::new(),
            acceptable: true,
            paused_until: None,
        })
    }

    /// Serves until the server stops.
    pub(super) fn run(mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS);
        let result = loop {
            let now = Instant::now();
            if self.worker.is_done(now) {
                break Ok(());
            }
            let timeout = self.prepare(now);
            match self.poll.poll(&mut events, timeout) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => break Err(error),
            }
            self.worker.wake();
            for event in &events {
                match event.token() {
                    WAKER => {}
                    LISTENER => self.acceptable = true,
                    Token(slot) => {
                        let ended = event.is_read_closed() || event.is_error();
                        self.ready(slot, event.is_readable() || ended, event.is_writable(), ended);
                    }
                }
            }
        };
        self.worker.finish();
        result
    }

    /// All that is to be done before the next wait. Returns how long that may last.
    fn prepare(&mut self, now: Instant) -> Option<Duration> {
        for slot in std::mem::take(&mut self.again) {
            self.read(slot);
        }
        self.accept(now);
        let asked = self.worker.attend(now);
        while let Some(slot) = self.worker.pop_dirty() {
            self.write(slot);
            self.settle(slot);
        }
        if self.worker.is_stopping() {
            self.listener = None;
        }
        if asked || !self.again.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadline = self.worker.next_deadline();
        let next = [deadline, self.paused_until].into_iter().flatten().min();
        next.map(|next| next.saturating_duration_since(now))
    }

    fn accept(&mut self, now: Instant) {
        if self.paused_until.is_some_and(|until| until <= now) {
            self.paused_until = None;
            self.acceptable = true;
        }
        if !self.acceptable || self.paused_until.is_some() {
            return;
        }
        for _ in 0..MAX_ACCEPTS {
            let Some(listener) = &self.listener else { return };
            // A place first: one that was accepted without it would have to be sent away.
            let connections = &self.settings.connections;
            if connections.fetch_add(1, Ordering::Relaxed) >= self.settings.max_connections {
                connections.fetch_sub(1, Ordering::Relaxed);
                self.paused_until = now.checked_add(ACCEPT_PAUSE);
                return;
            }
            let error = match listener.accept() {
                Ok((stream, peer)) => {
                    self.open(stream, peer);
                    continue;
                }
                Err(error) => error,
            };
            connections.fetch_sub(1, Ordering::Relaxed);
            match error.kind() {
                io::ErrorKind::WouldBlock => {
                    self.acceptable = false;
                    return;
                }
                io::ErrorKind::ConnectionAborted
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::Interrupted => {}
                _ => {
                    tracing::warn!(%error, "cannot accept connections");
                    self.paused_until = now.checked_add(ACCEPT_PAUSE);
                    return;
                }
            }
        }
        // There may be more, after the connections had their turn.
        self.paused_until = Some(now);
    }

    fn open(&mut self, stream: TcpStream, peer: SocketAddr) {
        // Frames are written whole: to wait for more to send would only delay them.
        let _ = stream.set_nodelay(true);
        let socket =
            Socket { stream, readable: true, ended: false, shut_down: false, broken: None };
        let Some(slot) = self.worker.accepted(socket, peer) else {
            self.settings.connections.fetch_sub(1, Ordering::Relaxed);
            return;
        };
        let Some(link) = self.worker.links.get_mut(slot) else { return };
        let interest = Interest::READABLE | Interest::WRITABLE;
        let stream = &mut link.socket.stream;
        if let Err(error) = self.poll.registry().register(stream, Token(slot), interest) {
            tracing::warn!(%error, "cannot watch a connection");
            self.worker.lost(slot, Some(error));
            self.settle(slot);
        }
    }

    #[inline]
    fn ready(&mut self, slot: usize, readable: bool, writable: bool, ended: bool) {
        let Some(link) = self.worker.links.get_mut(slot) else { return };
        link.socket.readable |= readable;
        link.socket.ended |= ended;
        if writable && link.blocked {
            self.write(slot);
            self.settle(slot);
        }
        if readable {
            self.read(slot);
        }
    }

    /// Reads and handles until the socket is empty, its output blocked, or it had its turn.
    #[inline]
    fn read(&mut self, slot: usize) {
        for _ in 0..MAX_READS {
            let Some(link) = self.worker.links.get_mut(slot) else { return };
            if link.blocked || !link.socket.readable {
                return;
            }
            match read(link, &mut self.buffer) {
                Ok(Read::Input(length)) => {
                    self.worker.receive(slot, &mut self.buffer[..length]);
                }
                Ok(Read::Payload(length)) => self.worker.payload_read(slot, length),
                Ok(Read::Nothing) => {
                    link.socket.readable = false;
                    if let Some(error) = link.socket.broken.take() {
                        self.worker.lost(slot, Some(error));
                        self.settle(slot);
                    }
                    return;
                }
                Ok(Read::End) => {
                    self.worker.lost(slot, None);
                    return self.settle(slot);
                }
                Err(error) => {
                    self.worker.lost(slot, Some(error));
                    return self.settle(slot);
                }
            }
            self.write(slot);
            self.settle(slot);
        }
        self.again.push(slot);
    }

    /// Writes the link's output as far as that goes.
    #[inline]
    fn write(&mut self, slot: usize) {
        loop {
            let Some(link) = self.worker.links.get_mut(slot) else { return };
            let (socket, Some(output)) = link.output() else { return };
            if output.is_empty() {
                return;
            }
            let result = if output.is_contiguous() {
                socket.stream.write(output.front())
            } else {
                let mut slots = [IoSlice::new(&[]); MAX_SLICES];
                socket.stream.write_vectored(output.slices(&self.buffer, &mut slots))
            };
            match result {
                Ok(length) => {
                    let all = length == output.len();
                    output.advance(length);
                    if !all {
                        // The system told how much it takes: it will say when it takes more.
                        link.blocked = true;
                        return;
                    }
                    if !self.worker.written(slot) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    link.blocked = true;
                    return;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // What the peer sent before it went is worth reading first.
                    *output = Output::default();
                    socket.broken.get_or_insert(error);
                    socket.readable = true;
                    self.again.push(slot);
                    return;
                }
            }
        }
    }

    /// The link had its turn: it gives back what it was lent, and ends if it is time.
    #[inline]
    fn settle(&mut self, slot: usize) {
        self.worker.settle(slot, &self.buffer);
        let Some(link) = self.worker.links.get_mut(slot) else { return };
        match link.end {
            End::None => {}
            End::Drop => self.remove(slot),
            // The peer is gone.
            End::Finish | End::Linger if link.socket.broken.is_some() => self.remove(slot),
            End::Finish | End::Linger if link.blocked => {}
            End::Finish | End::Linger => {
                if !std::mem::replace(&mut link.socket.shut_down, true) {
                    let _ = link.socket.stream.shutdown(Shutdown::Write);
                }
                if link.end == End::Finish {
                    self.remove(slot);
                }
            }
        }
    }

    fn remove(&mut self, slot: usize) {
        // Dropping the socket takes it out of the poll as well.
        if self.worker.remove(slot).is_some() {
            self.settings.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// What a read brought.
enum Read {
    /// So many bytes in the buffer.
    Input(usize),
    /// So many bytes in the payload space.
    Payload(usize),
    Nothing,
    End,
}

/// Reads once. A short read empties the socket: what comes later is an event of its own.
#[inline]
fn read(link: &mut Link<Socket>, buffer: &mut [u8]) -> io::Result<Read> {
    let (socket, space) = link.payload_space();
    let (room, result) = match space {
        Some(mut space) => {
            let vector = space.get_mut();
            let room = vector.capacity() - vector.len();
            let result = rustix::io::read(&socket.stream, spare_capacity(vector));
            (room, result.map(Read::Payload).map_err(Into::into))
        }
        None => (buffer.len(), socket.stream.read(buffer).map(Read::Input)),
    };
    match result {
        Ok(Read::Input(0) | Read::Payload(0)) => Ok(Read::End),
        Ok(read) => {
            let (Read::Input(length) | Read::Payload(length)) = read else { return Ok(read) };
            if length < room && !socket.ended && socket.broken.is_none() {
                socket.readable = false;
            }
            Ok(read)
        }
        Err(error) => match error.kind() {
            io::ErrorKind::WouldBlock => Ok(Read::Nothing),
            // Tried again by the caller's next turn.
            io::ErrorKind::Interrupted => Ok(Read::Input(0)),
            _ => Err(error),
        },
    }
}
