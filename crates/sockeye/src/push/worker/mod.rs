//! The work of a worker, independent of its backend.
//!
//! ```text
//!   readiness ──► Worker ──► ConnectionDriver ──► Opening ──► Connection ──► Handler
//!   (moves bytes)   │         (one per socket)       (callbacks)
//!                   ├── command_queue: commands from other threads
//!                   └── deadlines
//! ```

mod deadlines;
mod driver;
mod flow;
mod opening;
mod run;
mod slab;
mod stopping;

use std::mem;
use std::net::SocketAddr;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use sockeye_proto::Role;

use super::command_queue::{Command, CommandQueue, Workers};
use super::send_capacity::wire_bound;
use super::writer::Writer;
use super::{ConnectionId, Handler, OnPanic};
use crate::Shutdown;
use crate::close_payload::ClosePayload;
use crate::metrics::Counts;
use crate::quota::{Entry, Quota};
use crate::upgrade::Options;
use deadlines::Deadlines;
pub(super) use driver::{BackendSocket, ConnectionDriver, End};
use flow::Panic;
use run::{Recipients, Run};
use slab::Slab;
use stopping::Stopping;

/// Maximum number of writers kept for the next connections to write.
const MAX_IDLE_WRITERS: usize = 64;

/// Precision of deadlines.
const TICK: Duration = Duration::from_millis(1);

/// Capacity that a buffer of commands keeps after a burst.
const KEPT_COMMANDS: usize = 1024;

/// The settings and the shared counters of a server's workers.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) options: Options,
    pub(super) keep_requests: bool,
    pub(super) max_connections: usize,
    /// Number of connections of all workers.
    pub(super) connections: AtomicUsize,
    /// Connections of each address, where they are limited.
    pub(super) quota: Option<Arc<Quota>>,
    pub(super) shutdown: Shutdown,
    pub(super) on_panic: OnPanic,
    /// Number of connections of all workers that ended in time after the stop, and the number of
    /// those that were dropped.
    pub(super) closed: AtomicUsize,
    pub(super) dropped: AtomicUsize,
    #[cfg(feature = "tls")]
    pub(super) tls: Option<Arc<rustls::ServerConfig>>,
}

/// The state that the drivers of a worker share.
pub(super) struct WorkerContext<H> {
    pub(super) handler: H,
    pub(super) settings: Arc<Settings>,
    pub(super) workers: Arc<Workers>,
    /// Writers to lend to the driver that is being handled, and to drivers whose output is on its
    /// way.
    #[expect(clippy::vec_box, reason = "the box is what goes from driver to driver")]
    idle_writers: Vec<Box<Writer>>,
    /// Counts of what the connections received and sent since the last turn.
    counts: Counts,
    /// Buffer for decrypted input.
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

    #[allow(clippy::unnecessary_box_returns, reason = "the box is what goes from driver to driver")]
    fn lend(&mut self) -> Box<Writer> {
        self.idle_writers.pop().unwrap_or_default()
    }

    pub(super) fn take_back(&mut self, writer: Box<Writer>) {
        if self.idle_writers.len() < MAX_IDLE_WRITERS {
            self.idle_writers.push(writer);
        }
    }
}

/// The connections of one thread; `S` is the backend's state of a socket.
pub(super) struct Worker<H, S> {
    context: WorkerContext<H>,
    drivers: Slab<ConnectionDriver<S>>,
    index: usize,
    /// Number of connections that were accepted so far.
    serial: u64,
    deadlines: Deadlines,
    commands: Vec<Command>,
    /// Consecutive messages to the same connections, to be sent together.
    run: Run,
    /// Slots of drivers with output from commands or deadlines.
    dirty: Vec<usize>,
    stopping: Option<Stopping>,
}

impl<H: Handler, S: BackendSocket> Worker<H, S> {
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
            idle_writers: Vec::new(),
            counts: Counts::default(),
            #[cfg(feature = "tls")]
            plain: Vec::new(),
        };
        Self {
            context,
            drivers: Slab::default(),
            index,
            serial: 0,
            deadlines: Deadlines::default(),
            commands: Vec::new(),
            run: Run::default(),
            dirty: Vec::new(),
            stopping: None,
        }
    }

    /// Adds a driver for an accepted client and returns its slot. Drops the socket and returns
    /// `None` when no slot is left, when too many clients beyond the limit of their address are
    /// being refused, or when TLS cannot begin.
    pub(super) fn accept(&mut self, socket: S, peer: SocketAddr) -> Option<usize> {
        let slot = self.drivers.next_slot()?;
        let Settings { quota, options, .. } = &*self.context.settings;
        // Behind a trusted proxy, the client's address is not known yet.
        let quota = quota.as_ref().filter(|_| !options.proxies.trusts(peer.ip()));
        let entry = quota.map(|quota| quota.enter(peer.ip()));
        if matches!(entry, Some(Entry::Dropped)) {
            return None;
        }
        let id = ConnectionId::new(self.index, slot, self.serial);
        self.serial += 1;
        let settings = &self.context.settings;
        #[cfg_attr(not(feature = "tls"), expect(unused_mut, reason = "only TLS changes it"))]
        let mut driver = ConnectionDriver::new(socket, id, peer, entry, &settings.options);
        #[cfg(feature = "tls")]
        if let Err(error) = driver.secure(settings) {
            tracing::warn!(error = %crate::ErrorChain(&error), "cannot begin a TLS session");
            return None;
        }
        self.drivers.insert(slot, Box::new(driver));
        self.watch(slot);
        Some(slot)
    }

    /// Returns the driver in a slot, and the state that all drivers share.
    #[inline]
    pub(super) fn driver(
        &mut self,
        slot: usize,
    ) -> Option<(&mut ConnectionDriver<S>, &mut WorkerContext<H>)> {
        Some((self.drivers.get_mut(slot)?, &mut self.context))
    }

    /// Watches the deadline of a driver that may have got a new one.
    pub(super) fn watch(&mut self, slot: usize) {
        if self.drivers.get_mut(slot).is_some_and(|driver| driver.has_new_deadline()) {
            self.ask_deadline(slot, Instant::now());
        }
    }

    /// Removes a driver that has ended.
    pub(super) fn remove(&mut self, slot: usize) -> Option<Box<ConnectionDriver<S>>> {
        let mut driver = self.drivers.remove(slot)?;
        driver.on_removed(&mut self.context);
        self.sweep_deadlines();
        Some(driver)
    }

    /// Handles the deadlines that are due and the commands of other threads. Returns whether there
    /// were commands; if not, the next command wakes the worker, which may wait.
    ///
    /// Passes each driver to `write` right after a broadcast, and after a multicast that is the
    /// last command, while the driver and its output are in the processor's cache, and a driver
    /// [that is full](ConnectionDriver::is_full) before it gets more output. `write` then decides
    /// whether the driver is handled again, as a dirty one.
    pub(super) fn handle_commands(
        &mut self,
        now: Instant,
        mut write: impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
    ) -> bool {
        while let Some((at, id)) = self.deadlines.pop_due(now) {
            self.handle_timeout(at, id, now);
        }
        self.continue_stopping(now);
        let mut commands = mem::take(&mut self.commands);
        self.command_queue().take_or_sleep(&mut commands);
        let had_commands = !commands.is_empty();
        for command in commands.drain(..) {
            match command {
                Command::Broadcast(prepared) => {
                    self.add_to_run(Recipients::All, prepared, &mut write);
                }
                Command::Multicast(connections, prepared) => {
                    self.add_to_run(Recipients::Listed(connections), prepared, &mut write);
                }
                command => {
                    self.send_run(false, &mut write);
                    self.run_command(command, &mut write);
                }
            }
        }
        self.send_run(true, &mut write);
        commands.shrink_to(KEPT_COMMANDS);
        self.commands = commands;
        had_commands
    }

    /// Records that the worker no longer waits: it finds commands without being woken.
    pub(super) fn wake(&self) {
        self.command_queue().wake();
    }

    /// Returns a driver whose output is to be written since [`Worker::handle_commands`]; `None`
    /// ends the turn.
    pub(super) fn pop_dirty(&mut self) -> Option<usize> {
        let Some(slot) = self.dirty.pop() else {
            self.context.counts.flush(Role::Server);
            return None;
        };
        if let Some(driver) = self.drivers.get_mut(slot) {
            driver.dirty = false;
        }
        Some(slot)
    }

    /// Returns when to [handle commands](Worker::handle_commands) at the latest.
    pub(super) fn next_deadline(&self) -> Option<Instant> {
        let stopping = self.stopping.map(|stopping| stopping.next(self.drivers.slots().end));
        [self.deadlines.next(), stopping].into_iter().flatten().min()
    }

    /// Returns whether the server stops, so that no more clients are to be accepted.
    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.is_some()
    }

    /// Returns whether the thread may end: the server stops, and all drivers have ended or the
    /// timeout has passed.
    pub(super) fn is_done(&self, now: Instant) -> bool {
        self.stopping.is_some_and(|stopping| self.drivers.len() == 0 || stopping.end() <= now)
    }

    /// Removes the remaining drivers, and counts their connections as dropped.
    pub(super) fn finish(&mut self) {
        self.command_queue().close();
        if let Some(stopping) = self.stopping {
            let dropped = self.count_open();
            let settings = &self.context.settings;
            let closed = stopping.connections.saturating_sub(dropped);
            settings.closed.fetch_add(closed, Ordering::Relaxed);
            settings.dropped.fetch_add(dropped, Ordering::Relaxed);
        }
        for slot in self.drivers.slots() {
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
        write: &mut impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
    ) {
        match command {
            Command::Send(id, message) => {
                self.with(id, write, |driver, context| driver.send(context, &message));
            }
            Command::SendPrepared(id, prepared) => {
                self.with(id, write, |driver, context| {
                    driver.send_prepared(context, &prepared);
                    driver.on_prepared_executed(wire_bound(prepared.len()));
                });
            }
            Command::Ping(id, payload) => {
                self.with(id, write, |driver, context| driver.ping(context, &payload));
            }
            Command::Event(id, event) => {
                self.with(id, write, |driver, context| driver.event(context, event));
            }
            Command::Close(id, payload) => {
                self.with(id, write, |driver, context| driver.close(context, &payload));
            }
            Command::Abort(id) => self.with(id, write, ConnectionDriver::abort),
            Command::ReleaseMemory(id) => self.with(id, write, ConnectionDriver::release_memory),
            // Added to a run.
            Command::Multicast(..) | Command::Broadcast(_) => {}
            Command::Stop => self.stop(),
        }
    }

    fn stop(&mut self) {
        if self.stopping.is_some() {
            return;
        }
        let shutdown = &self.context.settings.shutdown;
        let (timeout, interval) = (shutdown.timeout, shutdown.interval(self.drivers.len()));
        // Requests that are not answered yet are dropped.
        self.for_all(|driver, _| driver.abandon_request());
        let connections = self.count_open();
        self.stopping = Some(Stopping::new(Instant::now(), timeout, interval, connections));
    }

    /// Closes the connections whose notification is due.
    fn continue_stopping(&mut self, now: Instant) {
        let Some(mut stopping) = self.stopping.take() else { return };
        while let Some(slot) = stopping.pop_due(now, self.drivers.slots().end) {
            let Some(driver) = self.drivers.get_mut(slot) else { continue };
            let payload = ClosePayload(Some(self.context.settings.shutdown.close_frame()));
            driver.close(&mut self.context, &payload);
            self.mark_dirty(slot);
            stopping.on_notified();
        }
        self.stopping = Some(stopping);
    }

    fn count_open(&mut self) -> usize {
        let slots = self.drivers.slots();
        slots
            .filter(|&slot| self.drivers.get_mut(slot).is_some_and(|driver| driver.is_open()))
            .count()
    }

    fn handle_timeout(&mut self, at: Instant, id: ConnectionId, now: Instant) {
        let slot = id.slot();
        let Some(driver) = self.drivers.get_mut(slot).filter(|driver| driver.is_watched(id, at))
        else {
            return;
        };
        driver.watched = None;
        driver.handle_timeout(&mut self.context, now);
        self.ask_deadline(slot, now);
        self.mark_dirty(slot);
    }

    /// Watches the deadline of a driver, unless the worker checks the driver earlier anyway.
    fn ask_deadline(&mut self, slot: usize, now: Instant) {
        let Some(driver) = self.drivers.get_mut(slot) else { return };
        let Some(deadline) = driver.deadline(now) else { return };
        // A deadline that is due again at once waits for the next turn.
        let deadline = deadline.max(now + TICK);
        if driver.watched.is_none_or(|watched| deadline < watched) {
            driver.watched = Some(deadline);
            let id = driver.id;
            self.deadlines.watch(deadline, id);
            self.sweep_deadlines();
        }
    }

    fn sweep_deadlines(&mut self) {
        let Self { deadlines, drivers, .. } = self;
        deadlines.sweep(drivers.len(), |deadline, id| {
            drivers.get_mut(id.slot()).is_some_and(|driver| driver.is_watched(id, deadline))
        });
    }

    /// Applies `act` to one driver, after `write` if the driver is full: it then has send capacity
    /// if the transport accepts some output.
    fn with(
        &mut self,
        id: ConnectionId,
        write: &mut impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
        act: impl FnOnce(&mut ConnectionDriver<S>, &mut WorkerContext<H>),
    ) {
        let slot = id.slot();
        if let Some(driver) = self.drivers.get_mut(slot).filter(|driver| driver.id == id) {
            write_if_full(driver, &mut self.context, write);
            act(driver, &mut self.context);
            self.mark_dirty(slot);
        }
    }

    /// Applies `act` to each driver, and marks those for which it returns `true` as dirty.
    fn for_all(
        &mut self,
        mut act: impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
    ) {
        for slot in self.drivers.slots() {
            if let Some(driver) = self.drivers.get_mut(slot) {
                if act(driver, &mut self.context) {
                    self.mark_dirty(slot);
                }
            }
        }
    }

    fn mark_dirty(&mut self, slot: usize) {
        if let Some(driver) = self.drivers.get_mut(slot) {
            if !mem::replace(&mut driver.dirty, true) {
                self.dirty.push(slot);
            }
        }
    }
}

/// Offers the output to the transport if it has reached its limit, before more is added.
#[inline]
fn write_if_full<H, S: BackendSocket>(
    driver: &mut ConnectionDriver<S>,
    context: &mut WorkerContext<H>,
    write: &mut impl FnMut(&mut ConnectionDriver<S>, &mut WorkerContext<H>) -> bool,
) {
    if driver.is_full() {
        write(driver, context);
    }
}
