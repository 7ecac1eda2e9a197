//! Workers on the system's readiness events (epoll, kqueue).

use std::io::{self, IoSlice, Write as _};
use std::mem;
use std::net::{Shutdown, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mio::event::Event;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};
use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{self, RecvFlags};

use super::Handler;
use super::acceptor::Acceptor;
use super::command_queue::{Waker, Workers};
use super::worker::{BackendSocket, ConnectionDriver, End, Settings, Worker, WorkerContext};
use crate::output::{MAX_SLICES, Output};

/// Size of the receive buffer that all connections of a worker share, in bytes. A socket nearly
/// always holds less, so that one read takes all of it.
const BUFFER_SIZE: usize = MIN_READ << MAX_WINDOW;

/// Minimum size of a read, in bytes: 2,700 empty messages.
const MIN_READ: usize = 16 * 1024;

/// Maximum number of times that the size of a read may double, and the number with which every
/// connection begins.
const MAX_WINDOW: u8 = 4;
const FIRST_WINDOW: u8 = 2;

/// Share of a connection that always has more to read: the time that handling its input should take
/// before other connections have their turn. Chosen so that ten floods together delay a message by
/// some milliseconds; a system call takes a thousandth of it.
const SHARE: Duration = Duration::from_micros(500);

/// Maximum number of events taken at a time.
const EVENTS: usize = 1024;

/// Maximum number of reads from one connection in a row, before other connections have their turn.
const MAX_READS: usize = 8;

const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX);

/// The poll instance that a worker waits on.
#[derive(Debug)]
pub(super) struct Poller(Poll);

impl Poller {
    pub(super) fn new() -> io::Result<(Self, Waker)> {
        let poll = Poll::new()?;
        let waker = mio::Waker::new(poll.registry(), WAKER)?;
        let wake = Box::new(move || {
            // An error means that the counter behind the waker is full of wake-ups not seen yet.
            let _ = waker.wake();
        });
        Ok((Self(poll), wake))
    }
}

/// An edge-triggered socket, and its readiness that was not used up yet.
struct Socket {
    stream: TcpStream,
    /// Set while there may be more to read.
    readable: bool,
    /// Set once the peer ended its half or the socket failed: only a read tells which, after all
    /// earlier input.
    ended: bool,
    /// Set once the writing half was shut down.
    shut_down: bool,
    /// Number of doublings of [`MIN_READ`] in a read, as the [share](SHARE) of time allows.
    window: u8,
    /// Error for which the socket accepts no more output.
    broken: Option<io::Error>,
}

/// A worker on readiness events.
pub(super) struct Readiness<H> {
    poll: Poll,
    listener: Option<TcpListener>,
    worker: Worker<H, Socket>,
    buffer: Box<[u8]>,
    /// Slots of connections that had their turn and may have more to read.
    unfinished: Vec<usize>,
    acceptor: Acceptor,
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
            buffer: vec![0; BUFFER_SIZE].into_boxed_slice(),
            unfinished: Vec::new(),
            acceptor: Acceptor::new(settings),
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
                    LISTENER => self.acceptor.set_ready(),
                    Token(slot) => self.take_turn(slot, Some(event)),
                }
            }
        };
        self.worker.finish();
        result
    }

    /// Does all work that is due before the next wait. Returns the timeout of that wait.
    fn prepare(&mut self, now: Instant) -> Option<Duration> {
        for slot in mem::take(&mut self.unfinished) {
            self.take_turn(slot, None);
        }
        self.accept(now);
        let Self { worker, buffer, .. } = self;
        let had_commands = worker.handle_commands(now, |driver, context| {
            driver.write(context, buffer);
            driver.is_changed() || driver.can_continue()
        });
        while let Some(slot) = self.worker.pop_dirty() {
            self.write(slot);
        }
        if self.worker.is_stopping() {
            self.listener = None;
        }
        if had_commands || !self.unfinished.is_empty() {
            return Some(Duration::ZERO);
        }
        let deadline = self.worker.next_deadline();
        let next = [deadline, self.acceptor.next()].into_iter().flatten().min();
        next.map(|next| next.saturating_duration_since(now))
    }

    fn accept(&mut self, now: Instant) {
        let Self { listener: Some(listener), acceptor, worker, poll, .. } = self else { return };
        acceptor.accept(now, || listener.accept(), |stream, peer| open(worker, poll, stream, peer));
    }

    /// Gives a driver its turn: records the readiness of the event, if there is one, and handles
    /// input until the socket is empty, the output is blocked, or the connection had its share.
    #[inline]
    fn take_turn(&mut self, slot: usize, event: Option<&Event>) {
        let Self { worker, buffer, unfinished, .. } = self;
        let Some((driver, context)) = worker.driver(slot) else { return };
        if let Some(event) = event {
            driver.socket.on_event(event);
            if event.is_writable() && driver.blocked {
                driver.write(context, buffer);
            }
        }
        for _ in 0..MAX_READS {
            if !driver.can_continue() || driver.end == End::Drop {
                break;
            }
            if driver.has_backlog() {
                let handled = driver.receive_backlog(context);
                driver.write(context, handled.input());
                continue;
            }
            let had_share = driver.read(context, buffer);
            driver.write(context, buffer);
            if had_share {
                break;
            }
        }
        if driver.can_continue() {
            unfinished.push(slot);
        }
        if driver.is_changed() {
            self.watch_or_remove(slot);
        }
    }

    /// Writes the output of commands and deadlines.
    fn write(&mut self, slot: usize) {
        let Some((driver, context)) = self.worker.driver(slot) else { return };
        driver.write(context, &self.buffer);
        if driver.can_continue() {
            self.unfinished.push(slot);
        }
        self.watch_or_remove(slot);
    }

    /// Watches a new deadline, and removes the driver if it has ended.
    #[cold]
    fn watch_or_remove(&mut self, slot: usize) {
        self.worker.watch(slot);
        if self.worker.driver(slot).is_some_and(|(driver, _)| driver.finish(!driver.blocked)) {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        // Dropping the socket also deregisters it from the poll.
        if self.worker.remove(slot).is_some() {
            self.acceptor.on_connection_end();
        }
    }
}

/// Begins a connection. Returns whether that succeeded.
fn open<H: Handler>(
    worker: &mut Worker<H, Socket>,
    poll: &Poll,
    stream: TcpStream,
    peer: SocketAddr,
) -> bool {
    // Frames are written whole: waiting for more output would only delay them.
    let _ = stream.set_nodelay(true);
    let socket = Socket {
        stream,
        readable: true,
        ended: false,
        shut_down: false,
        window: FIRST_WINDOW,
        broken: None,
    };
    let Some(slot) = worker.accept(socket, peer) else { return false };
    let Some((driver, _)) = worker.driver(slot) else { return false };
    let interest = Interest::READABLE | Interest::WRITABLE;
    if let Err(error) = poll.registry().register(&mut driver.socket.stream, Token(slot), interest) {
        tracing::warn!(%error, "cannot watch a connection");
        worker.remove(slot);
        return false;
    }
    true
}

impl ConnectionDriver<Socket> {
    /// Returns whether there may be input to handle, and output does not hold it back.
    #[inline]
    fn can_continue(&self) -> bool {
        (self.socket.readable || self.has_backlog()) && !self.blocked
    }

    /// Reads once and handles the input. A short read empties the socket: later input raises
    /// another event. Returns whether the read used up the share of this turn.
    #[inline]
    fn read<H: Handler>(&mut self, context: &mut WorkerContext<H>, buffer: &mut [u8]) -> bool {
        let (socket, space) = self.payload_space();
        let Some(mut space) = space else {
            let window = MIN_READ << socket.window;
            let result = net::recv(&socket.stream, &mut buffer[..window], RecvFlags::empty());
            match result.map(|(length, _)| length) {
                Ok(length) if length == window => {
                    return self.receive_share(context, buffer, length);
                }
                Ok(length @ 1..) => {
                    socket.on_read(length, window);
                    self.receive(context, &mut buffer[..length]);
                }
                other => self.on_empty_read(context, other),
            }
            return false;
        };
        let vector = space.get_mut();
        let capacity = vector.capacity() - vector.len();
        let result = net::recv(&socket.stream, spare_capacity(vector), RecvFlags::empty());
        match result.map(|(length, _)| length) {
            Ok(length @ 1..) => {
                socket.on_read(length, capacity);
                self.payload_read(context, length);
            }
            other => self.on_empty_read(context, other),
        }
        false
    }

    /// Handles input after a read that filled its window, and adapts the size of later reads: long
    /// messages take little time for many bytes, short and compressed ones much. Returns whether
    /// the input used up the share of this turn.
    #[cold]
    fn receive_share<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        buffer: &mut [u8],
        length: usize,
    ) -> bool {
        let begin = Instant::now();
        self.receive(context, &mut buffer[..length]);
        let elapsed = begin.elapsed();
        let window = &mut self.socket.window;
        if elapsed > SHARE {
            *window = window.saturating_sub(1);
        } else if elapsed < SHARE / 4 {
            *window = (*window + 1).min(MAX_WINDOW);
            return false;
        }
        true
    }

    /// Handles a read without input.
    #[cold]
    fn on_empty_read<H: Handler>(
        &mut self,
        context: &mut WorkerContext<H>,
        result: Result<usize, Errno>,
    ) {
        match result {
            Ok(_) => self.on_transport_end(context, None),
            Err(Errno::INTR) => return,
            Err(Errno::AGAIN) => {
                if let Some(error) = self.socket.broken.take() {
                    self.on_transport_end(context, Some(error));
                }
            }
            Err(error) => self.on_transport_end(context, Some(error.into())),
        }
        self.socket.readable = false;
    }

    /// Writes as much output as the socket accepts, and ends the turn; payloads in the output may
    /// lie in `input`.
    #[inline]
    fn write<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        self.write_output(context, input);
        self.end_turn(context, input);
    }

    #[inline]
    fn write_output<H: Handler>(&mut self, context: &mut WorkerContext<H>, input: &[u8]) {
        loop {
            let (socket, Some(output)) = self.output() else { return };
            if output.is_empty() {
                return;
            }
            let result = if output.is_contiguous() {
                send(&socket.stream, output.front())
            } else {
                let mut slots = [IoSlice::new(&[]); MAX_SLICES];
                (&socket.stream).write_vectored(output.slices(input, &mut slots))
            };
            match result {
                Ok(length) => {
                    if !output.advance(length) {
                        // A short write means that the socket is full: an event follows when it
                        // accepts more.
                        return self.wait_for_send_capacity(context, length > 0);
                    }
                    if !self.on_written(context) {
                        return;
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return self.wait_for_send_capacity(context, false);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // Input that the peer sent before it disconnected is read first.
                    *output = Output::default();
                    socket.broken.get_or_insert(error);
                    socket.readable = true;
                    self.end_wait();
                    return;
                }
            }
        }
    }
}

impl BackendSocket for Socket {
    fn is_broken(&self) -> bool {
        self.broken.is_some()
    }

    fn shut_down(&mut self) {
        if !mem::replace(&mut self.shut_down, true) {
            let _ = self.stream.shutdown(Shutdown::Write);
        }
    }

    #[cfg(target_os = "linux")]
    fn delivery(&self) -> Option<(u64, u64)> {
        crate::tcp_info::delivery(std::os::fd::AsFd::as_fd(&self.stream))
    }

    #[cfg(not(target_os = "linux"))]
    fn delivery(&self) -> Option<(u64, u64)> {
        None
    }
}

impl Socket {
    #[inline]
    fn on_event(&mut self, event: &Event) {
        let ended = event.is_read_closed() || event.is_error();
        self.readable |= event.is_readable() || ended;
        self.ended |= ended;
    }

    #[inline]
    fn on_read(&mut self, length: usize, capacity: usize) {
        if length < capacity && !self.ended && self.broken.is_none() {
            self.readable = false;
        }
    }
}

/// Writes without the signal `SIGPIPE`, which a write to a peer that is gone would raise.
#[cfg(not(target_vendor = "apple"))]
#[inline]
fn send(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(net::send(stream, bytes, net::SendFlags::NOSIGNAL)?)
}

/// Writes; on Apple systems, an option of the socket suppresses `SIGPIPE`.
#[cfg(target_vendor = "apple")]
fn send(mut stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    stream.write(bytes)
}
