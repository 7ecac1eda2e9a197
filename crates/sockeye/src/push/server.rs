use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::backend::Engine;
use super::command_queue::{Command, CommandQueue, Workers};
use super::id::MAX_WORKERS;
use super::worker::Settings;
use super::{Backend, Broadcaster, Handler, OnPanic, listener};
use crate::quota::Quota;
use crate::upgrade::{HostPolicy, Options, TrustedProxies};
use crate::{Drained, MemoryBudget, Result, Shutdown};

/// How many connections there may be at a time, unless told otherwise: within the usual limit of open files once that
/// was raised at all.
const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// How much may be unwritten on a connection, unless told otherwise: as much as the longest message by default.
const DEFAULT_MAX_UNWRITTEN: usize = 16 << 20;

/// How much may wait for a worker, unless told otherwise.
const DEFAULT_MAX_COMMAND_BYTES: usize = 64 << 20;

/// A WebSocket server with a [`Handler`] on a worker per core.
///
/// ```no_run
/// use sockeye::push::{Callbacks, Server};
///
/// # fn main() -> sockeye::Result<()> {
/// let echo = Callbacks::new().on_message(|connection, message| {
///     connection.send(message);
/// });
/// Server::new(move || echo.clone()).workers(2).listen("127.0.0.1:8080")?.run()
/// # }
/// ```
pub struct Server<F> {
    make: F,
    options: Options,
    backend: Backend,
    workers: Option<usize>,
    shared_port: bool,
    keep_requests: bool,
    max_connections: usize,
    quota: Option<Arc<Quota>>,
    max_unwritten: usize,
    max_command_bytes: usize,
    shutdown: Shutdown,
    on_panic: OnPanic,
    #[cfg(feature = "tls")]
    tls: Option<Arc<rustls::ServerConfig>>,
}

impl<H, F> Server<F>
where
    H: Handler,
    F: Fn() -> H + Send + Sync + 'static,
{
    /// A server whose workers each make their handler by `make`, on their own thread.
    pub fn new(make: F) -> Self {
        Self {
            make,
            options: Options::new(),
            backend: Backend::Auto,
            workers: None,
            shared_port: false,
            keep_requests: true,
            max_connections: DEFAULT_MAX_CONNECTIONS,
            quota: None,
            max_unwritten: DEFAULT_MAX_UNWRITTEN,
            max_command_bytes: DEFAULT_MAX_COMMAND_BYTES,
            shutdown: Shutdown::new(),
            on_panic: OnPanic::default(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// What to agree to, and the limits of the connections.
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Sets the hosts that the server answers for: see [`Options::allow_hosts`]. [`options`](Self::options) replaces this
    /// setting: call it first.
    pub fn allow_hosts(self, hosts: HostPolicy) -> Self {
        Self { options: self.options.allow_hosts(hosts), ..self }
    }

    /// Sets the memory that all connections together may hold for what is unfinished: see [`Options::memory_budget`].
    /// [`options`](Self::options) replaces this setting: call it first. Default: 256 MiB, shared by all servers of the program
    /// that set none.
    pub fn memory_budget(self, budget: MemoryBudget) -> Self {
        Self { options: self.options.memory_budget(budget), ..self }
    }

    /// Takes the clients' addresses from what trusted proxies say of them, by a header of the connection or of the request: see
    /// [`Options::trusted_proxies`]. [`options`](Self::options) replaces this setting: call it first.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { options: self.options.trusted_proxies(proxies), ..self }
    }

    /// By which of the system's ways bytes are moved. Default: [`Backend::Auto`].
    pub fn backend(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// How many threads serve connections, from 1 to 1,024. Default: one for each core that the process may use.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers: Some(workers.clamp(1, MAX_WORKERS)), ..self }
    }

    /// Whether to share the port with other processes of the same user that ask for the same (`SO_REUSEPORT`), such as the
    /// next release of the program. Default: no, so that a port which is taken is an error.
    pub fn share_port(self, shared_port: bool) -> Self {
        Self { shared_port, ..self }
    }

    /// Whether each connection keeps the head of its request, for [`Connection::request`](super::Connection::request): a few
    /// hundred bytes as browsers send it. Default: yes.
    pub fn keep_requests(self, keep_requests: bool) -> Self {
        Self { keep_requests, ..self }
    }

    /// How many connections there may be at a time, those in their handshake included. Further clients wait in the system's
    /// queue until another connection has ended: they cost nothing there, and are not sent away by a burst that is soon
    /// over. Default: 10,000.
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self { max_connections: max_connections.max(1), ..self }
    }

    /// How many connections one address may have at a time, those in their handshake included; an IPv6 address counts by its
    /// upper 64 bits, of which a subscriber has all the rest. One more is answered 429 with `Retry-After: 5`, and has 2 s to
    /// ask and to take that, in which it is one of [`max_connections`](Self::max_connections); of many at once, those beyond
    /// 64 are dropped without a word.
    ///
    /// It is the address that [trusted proxies](Options::trusted_proxies) tell, where there are some.
    ///
    /// Default: no limit, since behind a proxy, or for all people of one house or company, every connection comes from one
    /// address. A server that faces clients itself is well served with a few dozen.
    pub fn max_connections_per_address(self, limit: usize) -> Self {
        Self { quota: Some(Quota::new(limit)), ..self }
    }

    /// Sets how much output may be unwritten on one connection, in bytes: beyond that, further messages are dropped and
    /// [`Sent::Full`](super::Sent::Full) is returned. It is judged after the transport was offered what waits, so that only a
    /// peer that does not read loses messages, or a single callback that sends more than this. Input waits while its answers
    /// fill this bound, and while the transport takes none of them. All connections together are held to the
    /// [memory budget](Self::memory_budget). Default: 16 MiB.
    pub fn max_unwritten(self, max_unwritten: usize) -> Self {
        Self { max_unwritten, ..self }
    }

    /// How much may wait for a worker that is behind, in bytes of what [`Handle`](super::Handle)s ask for: beyond that they
    /// are told [`HandleError::Full`](super::HandleError::Full). Default: 64 MiB.
    pub fn max_command_bytes(self, max_command_bytes: usize) -> Self {
        Self { max_command_bytes, ..self }
    }

    /// How the connections are closed when the server [stops](Stopper::stop), and how long that may take. Every worker
    /// closes its own one by one. Default: [`Shutdown::new`].
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// Sets [`Shutdown::timeout`] alone. Default: 5 s.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown: self.shutdown.timeout(timeout), ..self }
    }

    /// What becomes of the server when a callback panics. Default: [`OnPanic::CloseConnection`].
    pub fn on_panic(self, on_panic: OnPanic) -> Self {
        Self { on_panic, ..self }
    }

    /// Speaks TLS, and nothing else.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Listens on an address. Clients may connect from now on, and are served by [`Listening::run`].
    ///
    /// # Errors
    /// When the address cannot be had: [`io::ErrorKind::AddrInUse`] when another program has it.
    /// [`io::ErrorKind::Unsupported`] when [`Backend::IoUring`] was asked for and cannot be had; the error says why.
    pub fn listen(self, address: impl ToSocketAddrs) -> Result<Listening<F>> {
        let workers = self.workers.unwrap_or_else(|| {
            thread::available_parallelism().map_or(1, NonZero::get).min(MAX_WORKERS)
        });
        let listeners = listener::bind(address, workers, self.shared_port)?;
        let mut engines = Vec::with_capacity(workers);
        let mut command_queues = Vec::with_capacity(workers);
        for _ in 0..workers {
            let (engine, waker) = Engine::new(self.backend)?;
            engines.push(engine);
            command_queues.push(CommandQueue::new(waker, self.max_command_bytes));
        }
        let workers = Arc::new(Workers { command_queues, max_unwritten: self.max_unwritten });
        let settings = Settings {
            options: self.options,
            keep_requests: self.keep_requests,
            max_connections: self.max_connections,
            connections: AtomicUsize::new(0),
            quota: self.quota,
            shutdown: self.shutdown,
            on_panic: self.on_panic,
            closed: AtomicUsize::new(0),
            dropped: AtomicUsize::new(0),
            #[cfg(feature = "tls")]
            tls: self.tls,
        };
        Ok(Listening { make: self.make, listeners, engines, workers, settings: Arc::new(settings) })
    }
}

/// A server that has its address.
pub struct Listening<F> {
    make: F,
    listeners: Vec<TcpListener>,
    engines: Vec<Engine>,
    workers: Arc<Workers>,
    settings: Arc<Settings>,
}

impl<H, F> Listening<F>
where
    H: Handler,
    F: Fn() -> H + Send + Sync + 'static,
{
    /// The address that it listens on: with the port that the system chose, where 0 was asked for.
    ///
    /// # Errors
    /// What the system has to say.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listeners[0].local_addr()
    }

    /// What stops the server, from any thread.
    pub fn stopper(&self) -> Stopper {
        Stopper { workers: self.workers.clone() }
    }

    /// What sends to all connections, from any thread.
    pub fn broadcaster(&self) -> Broadcaster {
        Broadcaster::new(self.workers.clone())
    }

    /// Serves connections, on threads of its own, until it is [stopped](Stopper::stop).
    ///
    /// # Errors
    /// When a worker cannot wait for its sockets, or its thread cannot be started: the others are stopped then.
    ///
    /// # Panics
    /// When a handler panicked and the server is to stop then ([`OnPanic::StopServer`]), or a handler could not be made: with what
    /// it panicked with, once the other workers have stopped.
    pub fn run(self) -> Result<()> {
        self.run_until_stopped().map(drop)
    }

    /// As [`run`](Self::run); says what became of the connections that were open when the server was
    /// [stopped](Stopper::stop).
    ///
    /// # Errors
    /// As [`run`](Self::run).
    ///
    /// # Panics
    /// As [`run`](Self::run).
    pub fn run_until_stopped(self) -> Result<Drained> {
        let stopper = self.stopper();
        let Self { make, listeners, engines, workers, settings } = self;
        let make = &make;
        let counted = settings.clone();
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(engines.len());
            for (index, (engine, listener)) in engines.into_iter().zip(listeners).enumerate() {
                let (settings, workers, on_end) =
                    (settings.clone(), workers.clone(), stopper.clone());
                let work = move || {
                    // However this one ends, the others must not go on without it.
                    let _on_end = StopOnDrop { stopper: on_end, index };
                    engine.run(index, listener, make(), settings, workers)
                };
                let name = format!("sockeye-push-{index}");
                match thread::Builder::new().name(name).spawn_scoped(scope, work) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        stopper.stop();
                        return Err(error.into());
                    }
                }
            }
            let mut result: Result<()> = Ok(());
            for thread in threads {
                match thread.join() {
                    Ok(ended) => result = result.and(ended.map_err(Into::into)),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            result
        })?;
        let (closed, dropped) = (&counted.closed, &counted.dropped);
        let (closed, dropped) = (closed.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed));
        Ok(Drained { closed, dropped, left: 0 })
    }
}

/// Stops a server, from any thread. A clone stops the same one.
#[derive(Clone, Debug)]
pub struct Stopper {
    workers: Arc<Workers>,
}

impl Stopper {
    /// No more connections are accepted, and those that are open are closed one by one as [`Server::shutdown`] says. When all
    /// have ended, or when the time for that is up, [`Listening::run`] returns.
    pub fn stop(&self) {
        // A worker that has ended needs no telling.
        let _ = self.workers.post_to_all(|| Command::Stop);
    }
}

struct StopOnDrop {
    stopper: Stopper,
    /// The worker that ends.
    index: usize,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.stopper.workers.command_queues[self.index].close();
        self.stopper.stop();
    }
}

impl<F> fmt::Debug for Server<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("options", &self.options).finish_non_exhaustive()
    }
}

impl<F> fmt::Debug for Listening<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Listening").field("listeners", &self.listeners).finish_non_exhaustive()
    }
}
