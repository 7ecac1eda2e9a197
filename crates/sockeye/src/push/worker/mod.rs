//! What a worker does, whichever way its bytes come and go.
//!
//! ```text
//!   readiness ──► Worker ──► Link ──► Opening ──► Connection ──► Handler
//!   (moves bytes)   │         (one per socket)    (callbacks)
//!                   ├── command_queue: commands from other threads
//!                   └── deadlines
//! ```

mod deadlines;
mod flow;
mod link;
mod opening;
mod slab;
mod stopping;

use std::mem;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sockeye_proto::frame::{Header, MAX_HEADER_SIZE};
use sockeye_proto::{Prepared, Role};

use super::command_queue::{Command, CommandQueue, Workers};
use super::writer::Writer;
use super::{ConnectionId, Handler, OnPanic};
use crate::Shutdown;
use crate::metrics::Counts;
use crate::quota::{Entry, Quota};
use crate::upgrade::Options;
use crate::websocket::ClosePayload;
use deadlines::Deadlines;
use flow::Panic;
pub(super) use link::{Delivery, End, Link};
use slab::Slab;
use stopping::Stopping;

/// Writers kept for the next connections to write, at most.
const MAX_SPARES: usize = 64;

/// The precision of deadlines.
const TICK: Duration = Duration::from_millis(1);

/// Broadcasts that come together are encoded once for all connections up to this length, in bytes: what one write takes at once
/// is worth a copy for each.
const MAX_ENCODED: usize = 16 * 1024;

/// Room for so many commands is kept, whatever a burst brought.
const KEPT_COMMANDS: usize = 1024;

/// How a server's workers work.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) options: Options,
    pub(super) keep_requests: bool,
    pub(super) max_connections: usize,
    /// Of all workers.
    pub(super) connections: AtomicUsize,
    /// Of each address, where that is limited.
    pub(super) quota: Option<Arc<Quota>>,
    pub(super) shutdown: Shutdown,
    pub(super) on_panic: OnPanic,
    /// Of all workers, when they stopped: connections that ended in time, and those that were dropped.
    pub(super) closed: AtomicUsize,
    pub(super) dropped: AtomicUsize,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
}

/// What the links of a worker share.
pub(super) struct WorkerContext<H> {
    pub(super) handler: H,
    pub(super) settings: Arc<Settings>,
    pub(super) workers: Arc<Workers>,
    /// Lent to the link that is being handled, and to those whose output is on its way.
    #[expect(clippy::vec_box, reason = "the box is what goes from link to link")]
    spares: Vec<Box<Writer>>,
    /// What the connections received and sent since the last turn.
    counts: Counts,
    /// Where TLS decrypts to.
    #[cfg(feature = "tls")]
    plain: Vec<u8>,
}

impl<H> WorkerContext<H> {
    /// Reports the panic of a callback, or lets it end the server.
    #[cold]
    fn on_panic(&self, id: ConnectionId, panic: Panic) {
        if self.settings.on_panic == OnPanic::StopServer {
            resume_unwind(panic);
        }
        let text = panic.downcast_ref::<&str>().copied();
        let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        tracing::error!(%id, panic = text.unwrap_or("of an unknown type"), "a callback panicked");
    }

    #[allow(clippy::unnecessary_box_returns, reason = "the box is what goes from link to link")]
    fn lend(&mut self) -> Box<Writer> {
        self.spares.pop().unwrap_or_default()
    }

    pub(super) fn take_back(&mut self, writer: Box<Writer>) {
        if self.spares.len() < MAX_SPARES {
            self.spares.push(writer);
        }
    }
}

/// The connections of one thread; `S` is what the backend knows of a socket.
pub(super) struct Worker<H, S> {
    context: WorkerContext<H>,
    links: Slab<Link<S>>,
    index: usize,
    /// How many connections there have been.
    serial: u64,
    deadlines: Deadlines,
    commands: Vec<Command>,
    /// Broadcasts in a row, to be sent together.
    run: Vec<Prepared>,
    /// Links whose output is to be written, by commands or deadlines.
    dirty: Vec<usize>,
    stopping: Option<Stopping>,
}

impl<H: Handler, S: Delivery> Worker<H, S> {
    pub(super) fn new(
        index: usize,
        handler: H,
        settings: Arc<Settings>,
        workers: Arc<Workers>,
    ) -> Self {
        let context = WorkerContext {
            handler,
            settings,
            workers,
            spares: Vec::new(),
            counts: Counts::default(),
            #[cfg(feature = "tls")]
            plain: Vec::new(),
        };
        Self {
            context,
            links: Slab::default(),
            index,
            serial: 0,
            deadlines: Deadlines::default(),
            commands: Vec::new(),
            run: Vec::new(),
            dirty: Vec::new(),
            stopping: None,
        }
    }

    /// A client was accepted. Returns its slot; or, when there is none left, the socket is dropped.
    pub(super) fn accept(&mut self, socket: S, peer: SocketAddr) -> Option<usize> {
        let slot = self.links.next_slot()?;
        let Settings { quota, options, .. } = &*self.context.settings;
        // Behind a trusted proxy, the client's address is not known yet.
        let quota = quota.as_ref().filter(|_| !options.proxies.trusts(peer.ip()));
        let entry = quota.map(|quota| quota.enter(peer.ip()));
        if matches!(entry, Some(Entry::Flood)) {
            return None;
        }
        let id = ConnectionId::new(self.index, slot, self.serial);
        self.serial += 1;
        let settings = &self.context.settings;
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only TLS changes it"))]
        let mut link = Link::new(socket, id, peer, entry, &settings.options);
        #[cfg(feature = "tls")]
        if let Err(error) = link.secure(settings) {
            tracing::warn!(%error, "cannot begin a TLS session");
            return None;
        }
        self.links.insert(slot, Box::new(link));
        self.watch(slot);
        Some(slot)
    }

    /// The link in a slot, and what it shares with the others.
    #[inline]
    pub(super) fn link(&mut self, slot: usize) -> Option<(&mut Link<S>, &mut WorkerContext<H>)> {
        Some((self.links.get_mut(slot)?, &mut self.context))
    }

    /// Watches the deadline of a link that may have got a new one.
    pub(super) fn watch(&mut self, slot: usize) {
        if self.links.get_mut(slot).is_some_and(|link| link.has_new_deadline()) {
            self.ask_deadline(slot, Instant::now());
        }
    }

    /// The link is over.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Box<Link<S>>> {
        let mut link = self.links.remove(slot)?;
        link.on_removed(&mut self.context);
        self.sweep_deadlines();
        Some(link)
    }

    /// Does what is due, and what other threads ask for. Says whether they asked for something: if not, whoever does so
    /// next wakes the worker, which may wait.
    ///
    /// What goes to every link is handed to `write` while link and output are in the processor's cache, and so is a link
    /// [that is full](Link::is_full); it says whether the link is to be looked at again, as a dirty one.
    pub(super) fn handle_commands(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&mut Link<S>, &mut WorkerContext<H>) -> bool,
    ) -> bool {
        while let Some((at, id)) = self.deadlines.pop_due(now) {
            self.handle_timeout(at, id, now);
        }
        self.go_on_stopping(now);
        let mut commands = mem::take(&mut self.commands);
        self.command_queue().take_or_sleep(&mut commands);
        let asked = !commands.is_empty();
        for command in commands.drain(..) {
            match command {
                Command::Broadcast(prepared) => self.run.push(prepared),
                command => {
                    self.broadcast(&mut write);
                    self.run_command(command, &mut write);
                }
            }
        }
        self.broadcast(&mut write);
        commands.shrink_to(KEPT_COMMANDS);
        self.commands = commands;
        asked
    }

    /// The worker waits no more: commands are found without being told of them.
    pub(super) fn wake(&self) {
        self.command_queue().wake();
    }

    /// A link whose output is to be written since [`Worker::attend`]; when there is none left, the turn is over.
    pub(super) fn pop_dirty(&mut self) -> Option<usize> {
        let Some(slot) = self.dirty.pop() else {
            self.context.counts.flush(Role::Server);
            return None;
        };
        if let Some(link) = self.links.get_mut(slot) {
            link.dirty = false;
        }
        Some(slot)
    }

    /// When to [attend](Worker::attend) at the latest.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let stopping = self.stopping.map(|stopping| stopping.next(self.links.slots().end));
        [self.deadlines.next(), stopping].into_iter().flatten().min()
    }

    /// Whether the server stops, so that nothing more is to be accepted.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Whether all is done that is to be done before the thread ends.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.stopping.is_some_and(|stopping| self.links.len() == 0 || stopping.end() <= now)
    }

    /// Ends all links, when time is up.
    pub(super) fn finish(&mut self) {
        self.command_queue().close();
        if let Some(stopping) = self.stopping {
            let dropped = self.count_open();
            let settings = &self.context.settings;
            let closed = stopping.connections.saturating_sub(dropped);
            settings.closed.fetch_add(closed, Ordering::Relaxed);
            settings.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        for slot in self.links.slots() {
            self.remove(slot);
        }
        self.context.counts.flush(Role::Server);
    }

    fn command_queue(&self) -> &CommandQueue {
        &self.context.workers.command_queues[self.index]
    }

    fn run_command(
        &mut self,
        command: Command,
        write: &mut impl FnMut(&mut Link<S>, &mut WorkerContext<H>) -> bool,
    ) {
        match command {
            Command::Send(id, message) => {
                self.with(id, write, |link, context| link.send(context, &message));
            }
            Command::SendPrepared(id, prepared) => {
                self.with(id, write, |link, context| link.send_prepared(context, &prepared));
            }
            Command::Ping(id, payload) => {
                self.with(id, write, |link, context| link.ping(context, &payload));
            }
            Command::Event(id, event) => {
                self.with(id, write, |link, context| link.event(context, event));
            }
            Command::Close(id, payload) => {
                self.with(id, write, |link, context| link.close(context, &payload));
            }
            Command::Abort(id) => self.with(id, write, Link::abort),
            Command::GiveWay(id) => self.with(id, write, Link::give_way),
            Command::Broadcast(prepared) => self.run.push(prepared),
            Command::Stop => self.stop(),
        }
    }

    /// Sends the messages in a row to all, to each link at once while that is at hand: encoded once, up to a length from which
    /// they are rather shared than copied.
    fn broadcast(&mut self, write: &mut impl FnMut(&mut Link<S>, &mut WorkerContext<H>) -> bool) {
        if self.run.is_empty() {
            return;
        }
        let mut run = mem::take(&mut self.run);
        self.send_to_all(&run, write);
        run.clear();
        run.shrink_to(KEPT_COMMANDS);
        self.run = run;
    }

    fn send_to_all(
        &mut self,
        run: &[Prepared],
        write: &mut impl FnMut(&mut Link<S>, &mut WorkerContext<H>) -> bool,
    ) {
        let length: usize = run.iter().map(Prepared::len).sum();
        if length > MAX_ENCODED {
            return self.for_all(|link, context| {
                for prepared in run {
                    if link.is_full() {
                        write(link, context);
                    }
                    link.send_prepared(context, prepared);
                }
                write(link, context)
            });
        }
        let mut frames = Vec::with_capacity(length + run.len() * MAX_HEADER_SIZE);
        let mut counts = Counts::default();
        for message in run.iter().map(Prepared::message) {
            let before = frames.len();
            Header::new(message.kind().opcode(), message.len() as u64).encode(&mut frames);
            frames.extend_from_slice(message.as_bytes());
            counts.count_sent(message.kind(), message.len(), frames.len() - before);
        }
        self.for_all(|link, context| {
            if link.is_full() {
                write(link, context);
            }
            link.broadcast(context, (&frames, &counts), run);
            write(link, context)
        });
    }

    fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let shutdown = &self.context.settings.shutdown;
        let (limit, interval) = (shutdown.limit(), shutdown.interval(self.links.len()));
        // Requests that are not answered yet will not be.
        self.for_all(|link, _| link.abandon_request());
        let connections = self.count_open();
        self.stopping = Some(Stopping::new(Instant::now(), limit, interval, connections));
    }

    /// Closes the links whose turn has come.
    fn go_on_stopping(&mut self, now: Instant) {
        let Some(mut stopping) = self.stopping.take() else { return };
        while let Some(slot) = stopping.pop_due(now, self.links.slots().end) {
            let Some(link) = self.links.get_mut(slot) else { continue };
            let payload = ClosePayload(Some(self.context.settings.shutdown.frame()));
            link.close(&mut self.context, &payload);
            self.touch(slot);
            stopping.on_notified();
        }
        self.stopping = Some(stopping);
    }

    fn count_open(&mut self) -> usize {
        let slots = self.links.slots();
        slots.filter(|&slot| self.links.get_mut(slot).is_some_and(|link| link.is_open())).count()
    }

    fn handle_timeout(&mut self, at: Instant, id: ConnectionId, now: Instant) {
        let slot = id.slot();
        let Some(link) = self.links.get_mut(slot).filter(|link| link.is_watched(id, at)) else {
            return;
        };
        link.watched = None;
        link.handle_timeout(&mut self.context, now);
        self.ask_deadline(slot, now);
        self.touch(slot);
    }

    /// Watches the deadline of a link, unless the worker will look at it before.
    fn ask_deadline(&mut self, slot: usize, now: Instant) {
        let Some(link) = self.links.get_mut(slot) else { return };
        let Some(deadline) = link.deadline(now) else { return };
        // Something that is due again at once waits for the next turn.
        let deadline = deadline.max(now + TICK);
        if link.watched.is_none_or(|watched| deadline < watched) {
            link.watched = Some(deadline);
            let id = link.id;
            self.deadlines.watch(deadline, id);
            self.sweep_deadlines();
        }
    }

    fn sweep_deadlines(&mut self) {
        let Self { deadlines, links, .. } = self;
        deadlines.sweep(links.len(), |deadline, id| {
            links.get_mut(id.slot()).is_some_and(|link| link.is_watched(id, deadline))
        });
    }

    /// Does something with one link, which has room for output where the transport takes some.
    fn with(
        &mut self,
        id: ConnectionId,
        write: &mut impl FnMut(&mut Link<S>, &mut WorkerContext<H>) -> bool,
        act: impl FnOnce(&mut Link<S>, &mut WorkerContext<H>),
    ) {
        let slot = id.slot();
        if let Some(link) = self.links.get_mut(slot).filter(|link| link.id == id) {
            if link.is_full() {
                write(link, &mut self.context);
            }
            act(link, &mut self.context);
            self.touch(slot);
        }
    }

    /// Does something with each link, and notes those for which it says `true` as dirty.
    fn for_all(&mut self, mut act: impl FnMut(&mut Link<S>, &mut WorkerContext<H>) -> bool) {
        for slot in self.links.slots() {
            if let Some(link) = self.links.get_mut(slot) {
                if act(link, &mut self.context) {
                    self.touch(slot);
                }
            }
        }
    }

    fn touch(&mut self, slot: usize) {
        if let Some(link) = self.links.get_mut(slot) {
            if !mem::replace(&mut link.dirty, true) {
                self.dirty.push(slot);
            }
        }
    }
}
