//! Workers on `io_uring`: operations are submitted and completed in batches, with one system call
//! for each turn.
//!
//! ```text
//!   wait ──► completions: input ──► Worker ──► output ──► send ──┐
//!    ▲                    sent ──► held input and new output     │
//!    └─────────────────── submits all queued operations ◄────────┘
//! ```
//!
//! Every connection has one receive in progress, which continues from input to input, and at most
//! one send, so that its frames keep their order. Output that is produced meanwhile leaves with the
//! next send. A send that does not complete at once means that the peer does not read: input from
//! that peer is not handled until the send is done.

mod buffers;
mod files;
mod missing;
mod ring;
mod socket;

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::EventfdFlags;

use super::acceptor::Acceptor;
use super::command_queue::{Waker, Workers};
use super::worker::{ConnectionDriver, Settings, Worker, WorkerContext};
use super::{ConnectionId, Handler};
use files::Stream;
use missing::Missing;
use ring::{Completion, Ring, Ticket};
use socket::Socket;

const LISTENER: u64 = 0;
const WAKER: u64 = 1;

/// Maximum size of a receive while there are too few buffers for all connections, in bytes: one of
/// the buffers. With a quarter of that, floods delay others half as long, but long messages seemed
/// to take more time.
const SHARE: u32 = 256 * 1024;

/// Maximum number of ended receives that are submitted again in one turn: when no buffer is left
/// for most of them, each further one is wasted work.
const MAX_RECEIVES: usize = 64;

/// A ring that has no work yet.
#[derive(Debug)]
pub(super) struct Idle {
    ring: Ring,
    wakeup: Arc<OwnedFd>,
}

impl Idle {
    /// Creates a ring, and a waker of the worker that will wait on it.
    pub(super) fn new() -> io::Result<(Self, Waker)> {
        let ring = Ring::new()?;
        let wakeup = rustix::event::eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let wakeup = Arc::new(wakeup);
        let writer = wakeup.clone();
        let wake = Box::new(move || {
            // The eventfd is never read: each write wakes the worker, and there is not enough time
            // to fill the 64-bit counter.
            let _ = rustix::io::write(&*writer, &1_u64.to_ne_bytes());
        });
        Ok((Self { ring, wakeup }, wake))
    }
}

/// A worker on `io_uring`.
pub(super) struct Uring<H> {
    ring: Ring,
    wakeup: Arc<OwnedFd>,
    listener: Option<TcpListener>,
    listening: Option<Ticket>,
    acceptor: Acceptor,
    worker: Worker<H, Socket>,
    /// Connections that are to receive again, longest wait first.
    paused: VecDeque<u64>,
    /// Connections that are to receive again and had their share of the last turn.
    served: Vec<u64>,
}

impl<H: Handler> Uring<H> {
    pub(super) fn new(
        index: usize,
        idle: Idle,
        listener: TcpListener,
        handler: H,
        settings: Arc<Settings>,
        workers: Arc<Workers>,
    ) -> Self {
        Self {
            ring: idle.ring,
            wakeup: idle.wakeup,
            listener: Some(listener),
            listening: None,
            acceptor: Acceptor::new(settings.clone()),
            worker: Worker::new(index, handler, settings, workers),
            paused: VecDeque::new(),
            served: Vec::new(),
        }
    }

    /// Serves until the server stops.
    pub(super) fn run(mut self) -> io::Result<()> {
        let result = self.serve();
        // Queued operations name sockets that are about to be closed.
        let _ = self.ring.wait(Some(Duration::ZERO));
        self.worker.finish();
        result
    }

    fn serve(&mut self) -> io::Result<()> {
        self.ring.enable()?;
        self.watch(WAKER);
        self.watch(LISTENER);
        loop {
            let now = Instant::now();
            if self.worker.is_done(now) {
                return Ok(());
            }
            let timeout = self.prepare(now);
            self.ring.wait(timeout)?;
            self.worker.wake();
            while let Some(completion) = self.ring.next() {
                self.on_completion(completion);
            }
        }
    }

    fn watch(&mut self, token: u64) {
        if token == WAKER {
            self.ring.poll(self.wakeup.as_fd(), WAKER);
        } else if let Some(listener) = &self.listener {
            self.listening = Some(self.ring.poll(listener.as_fd(), LISTENER));
        }
    }

    /// Does all work that is due before the next wait. Returns the timeout of that wait.
    fn prepare(&mut self, now: Instant) -> Option<Duration> {
        self.receive_again();
        self.accept(now);
        let had_commands = self.worker.handle_commands(now, |driver, context| {
            if driver.is_full() {
                driver.write_now(context, &[]);
            }
            true
        });
        while let Some(slot) = self.worker.pop_dirty() {
            if let Some((driver, context)) = self.worker.driver(slot) {
                driver.transmit(context, &mut self.ring);
                driver.end_turn(context, &[]);
                self.watch_or_remove(slot);
            }
        }
        if self.worker.is_stopping() {
            self.listener = None;
            if let Some(listening) = self.listening.take() {
                self.ring.cancel(listening);
            }
        }
        if had_commands || !self.paused.is_empty() {
            return Some(Duration::ZERO);
        }
        let next = [self.worker.next_deadline(), self.acceptor.next()].into_iter().flatten().min();
        next.map(|next| next.saturating_duration_since(now))
    }

    /// Submits ended receives again. A connection without a limit takes as many buffers as it
    /// fills, which is best for long messages. As long as some connections find no buffer, each
    /// takes a share instead; those that found none come first, before those that had their share.
    fn receive_again(&mut self) {
        let scarce = !self.paused.is_empty();
        self.paused.extend(self.served.drain(..));
        let count = self.paused.len().min(MAX_RECEIVES);
        for token in self.paused.drain(..count) {
            if let Some((_, driver, _)) = find(&mut self.worker, token) {
                driver.rearm(&mut self.ring, scarce.then_some(SHARE));
            }
        }
    }

    fn accept(&mut self, now: Instant) {
        let Self { listener: Some(listener), acceptor, worker, ring, .. } = self else { return };
        acceptor.accept(now, || listener.accept(), |stream, peer| open(worker, ring, stream, peer));
    }

    #[inline]
    fn on_completion(&mut self, completion: Completion) {
        match completion {
            Completion::Received { token, filled, continues } => {
                let Some((slot, driver, context)) = find(&mut self.worker, token) else {
                    return self.ring.release(filled);
                };
                driver.on_received(context, &mut self.ring, filled);
                if !continues {
                    driver.pause(&self.ring);
                    self.served.push(token);
                }
                if driver.is_changed() {
                    self.watch_or_remove(slot);
                }
            }
            Completion::Waiting { token, unsent, progress } => {
                let Some((slot, driver, context)) = find(&mut self.worker, token) else { return };
                driver.on_send_pending(context, unsent, progress);
                self.watch_or_remove(slot);
            }
            Completion::Sent { token, writer, late, result } => {
                let Some((slot, driver, context)) = find(&mut self.worker, token) else { return };
                driver.blocked |= late;
                driver.on_sent(context, &mut self.ring, writer, result);
                if driver.is_changed() {
                    self.watch_or_remove(slot);
                }
            }
            Completion::Ended { token, error } => {
                let Some((slot, driver, context)) = find(&mut self.worker, token) else { return };
                driver.on_input_end(context, &mut self.ring, error);
                if driver.is_changed() {
                    self.watch_or_remove(slot);
                }
            }
            Completion::Paused { token } => {
                if let Some((_, driver, _)) = find(&mut self.worker, token) {
                    if driver.pause(&self.ring) {
                        self.paused.push_back(token);
                    } else {
                        self.served.push(token);
                    }
                }
            }
            Completion::Readable { token, continues } => {
                if token == LISTENER {
                    self.acceptor.set_ready();
                }
                if !continues {
                    self.watch(token);
                }
            }
        }
    }

    /// Watches a new deadline, and removes the driver if it has ended.
    #[cold]
    fn watch_or_remove(&mut self, slot: usize) {
        self.worker.watch(slot);
        if self
            .worker
            .driver(slot)
            .is_some_and(|(driver, _)| driver.finish(driver.socket.send.is_none()))
        {
            self.remove(slot);
        }
    }

    fn remove(&mut self, slot: usize) {
        let Some(driver) = self.worker.remove(slot) else { return };
        let Socket { stream, receiving, send, .. } = driver.socket;
        for ticket in [send, receiving.ticket()].into_iter().flatten() {
            self.ring.cancel(ticket);
        }
        self.ring.close(stream);
        self.acceptor.on_connection_end();
    }
}

/// Begins a connection. Returns whether that succeeded.
fn open<H: Handler>(
    worker: &mut Worker<H, Socket>,
    ring: &mut Ring,
    stream: TcpStream,
    peer: SocketAddr,
) -> bool {
    // Frames are written whole: waiting for more output would only delay them.
    let _ = stream.set_nodelay(true);
    let slot = worker.accept(Socket::new(Stream::new(stream)), peer);
    let Some((driver, _)) = slot.and_then(|slot| worker.driver(slot)) else { return false };
    ring.adopt(&mut driver.socket.stream);
    driver.rearm(ring, None);
    true
}

/// Returns the driver of an operation, unless the driver was removed.
#[inline]
fn find<H: Handler>(
    worker: &mut Worker<H, Socket>,
    token: u64,
) -> Option<(usize, &mut ConnectionDriver<Socket>, &mut WorkerContext<H>)> {
    let id = ConnectionId::from_token(token);
    let (driver, context) = worker.driver(id.slot())?;
    (driver.id == id).then_some((id.slot(), driver, context))
}
