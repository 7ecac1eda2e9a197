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

/// Default of [`Server::max_connections`]. Needs a limit of open files above the usual soft limit
/// of 1,024.
const DEFAULT_MAX_CONNECTIONS: usize = 10_000;

/// Default of [`Server::max_unwritten`], in bytes: the default maximum length of a message.
const DEFAULT_MAX_UNWRITTEN: usize = 16 << 20;

/// Default of [`Server::max_command_bytes`], in bytes. Chosen: four messages of the default maximum
/// length.
const DEFAULT_MAX_COMMAND_BYTES: usize = 64 << 20;

/// A WebSocket server that calls a [`Handler`] on each of its worker threads, one per core.
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
    make_handler: F,
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
    /// Creates a server. Each worker calls `make_handler` once, on its own thread.
    pub fn new(make_handler: F) -> Self {
        Self {
            make_handler,
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

    /// Sets the options of the opening handshake and the limits of connections.
    pub fn options(self, options: Options) -> Self {
        Self { options, ..self }
    }

    /// Sets the hosts that the server answers for: see [`Options::allow_hosts`].
    /// [`options`](Self::options) replaces this setting: call `options` first.
    pub fn allow_hosts(self, hosts: HostPolicy) -> Self {
        Self { options: self.options.allow_hosts(hosts), ..self }
    }

    /// Sets the memory budget for partial messages and unwritten output of all connections
    /// together: see [`Options::memory_budget`]. [`options`](Self::options) replaces this setting:
    /// call `options` first. Default: 256 MiB, shared by all servers of the program that set none.
    pub fn memory_budget(self, budget: MemoryBudget) -> Self {
        Self { options: self.options.memory_budget(budget), ..self }
    }

    /// Sets the proxies that are trusted to report clients' addresses, in a PROXY header or in a
    /// header of the request: see [`Options::trusted_proxies`]. [`options`](Self::options) replaces
    /// this setting: call `options` first.
    pub fn trusted_proxies(self, proxies: TrustedProxies) -> Self {
        Self { options: self.options.trusted_proxies(proxies), ..self }
    }

    /// Sets the system interface for I/O. Default: [`Backend::Auto`].
    pub fn backend(self, backend: Backend) -> Self {
        Self { backend, ..self }
    }

    /// Sets the number of worker threads, from 1 to 1,024. Default: one for each core that the
    /// process may use.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers: Some(workers.clamp(1, MAX_WORKERS)), ..self }
    }

    /// Sets whether to share the port with other processes of the same user that also set
    /// `SO_REUSEPORT`, such as the next release of the program. Default: no, so that a port in use
    /// is an error.
    pub fn share_port(self, shared_port: bool) -> Self {
        Self { shared_port, ..self }
    }

    /// Sets whether each connection keeps the head of its request, for
    /// [`Connection::request`](super::Connection::request): a few hundred bytes for a browser's
    /// request. Default: yes.
    pub fn keep_requests(self, keep_requests: bool) -> Self {
        Self { keep_requests, ..self }
    }

    /// Sets the maximum number of connections at a time, including those in their handshake.
    /// Further clients wait in the system's accept queue until a connection has ended: there they
    /// cost nothing, and a short burst turns no client away. Default: 10,000.
    pub fn max_connections(self, max_connections: usize) -> Self {
        Self { max_connections: max_connections.max(1), ..self }
    }

    /// Sets the maximum number of connections of one address at a time, including those in their
    /// handshake. An IPv6 address counts by its upper 64 bits, because a subscriber usually has all
    /// addresses with the same upper 64 bits. The server answers a further client with 429 and
    /// `Retry-After: 5`. That client has 2 s to send its request and read the answer, and counts
    /// toward [`max_connections`](Self::max_connections) meanwhile. The server answers at most 64
    /// such clients at a time, and drops further ones without an answer.
    ///
    /// Where there are [trusted proxies](Options::trusted_proxies), the address is the one that
    /// they report.
    ///
    /// Default: no limit, because all clients behind one proxy, household or company share an
    /// address. A few dozen suit a server that clients reach directly.
    pub fn max_connections_per_address(self, limit: usize) -> Self {
        Self { quota: Some(Quota::new(limit)), ..self }
    }

    /// Sets the maximum unwritten output of one connection, in bytes. Beyond this limit, further
    /// messages are dropped and [`SendOutcome::Full`](super::SendOutcome::Full) is returned. The
    /// worker offers pending output to the transport before it applies the limit, so that only a
    /// peer that does not read loses messages, or a single callback that sends more than the limit.
    /// Input waits while its replies fill the limit, and while the transport accepts none of them.
    /// The [memory budget](Self::memory_budget) bounds all connections together. Default: 16 MiB.
    pub fn max_unwritten(self, max_unwritten: usize) -> Self {
        Self { max_unwritten, ..self }
    }

    /// Sets the maximum size of each worker's queue of commands from [`Handle`](super::Handle)s, in
    /// bytes. Beyond it, handles return [`HandleError::Full`](super::HandleError::Full). Default:
    /// 64 MiB.
    pub fn max_command_bytes(self, max_command_bytes: usize) -> Self {
        Self { max_command_bytes, ..self }
    }

    /// Sets how connections are closed when the server [stops](ServerHandle::stop), and the timeout
    /// for closing them. Every worker closes its connections one by one. Default:
    /// [`Shutdown::new`].
    pub fn shutdown(self, shutdown: Shutdown) -> Self {
        Self { shutdown, ..self }
    }

    /// Sets [`Shutdown::timeout`] alone. Default: 5 s.
    pub fn shutdown_timeout(self, timeout: Duration) -> Self {
        Self { shutdown: self.shutdown.timeout(timeout), ..self }
    }

    /// Sets the reaction of the server to a panic in a callback. Default:
    /// [`OnPanic::CloseConnection`].
    pub fn on_panic(self, on_panic: OnPanic) -> Self {
        Self { on_panic, ..self }
    }

    /// Serves TLS connections only.
    #[cfg(feature = "tls")]
    pub fn tls(self, config: Arc<rustls::ServerConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Listens on an address. Clients may connect from then on; [`Listening::run`] serves them.
    ///
    /// # Errors
    /// When the address cannot be bound: [`io::ErrorKind::AddrInUse`] when another program uses it.
    /// [`io::ErrorKind::Unsupported`] when [`Backend::IoUring`] was requested and is unavailable;
    /// the error says why.
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
        Ok(Listening {
            make_handler: self.make_handler,
            listeners,
            engines,
            workers,
            settings: Arc::new(settings),
        })
    }
}

/// A server that listens on its address and is ready to run.
pub struct Listening<F> {
    make_handler: F,
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
    /// Returns the address that the server listens on, with the port that the system chose if port
    /// 0 was requested.
    ///
    /// # Errors
    /// The error of the system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listeners[0].local_addr()
    }

    /// Returns a handle that stops the server, from any thread.
    pub fn handle(&self) -> ServerHandle {
        ServerHandle { workers: self.workers.clone() }
    }

    /// Returns a handle that sends to all connections, from any thread.
    pub fn broadcaster(&self) -> Broadcaster {
        Broadcaster::new(self.workers.clone())
    }

    /// Serves connections on one thread per worker, until the server is
    /// [stopped](ServerHandle::stop).
    ///
    /// # Errors
    /// When a worker cannot wait for its sockets, or its thread cannot be started; the other
    /// workers are stopped then.
    ///
    /// # Panics
    /// When a handler panics under [`OnPanic::StopServer`], or creating a handler panics: with the
    /// same payload, once the other workers have stopped.
    pub fn run(self) -> Result<()> {
        self.run_until_stopped().map(drop)
    }

    /// Runs the server like [`run`](Self::run), and returns counts of the connections that were
    /// open when the server was [stopped](ServerHandle::stop).
    ///
    /// # Errors
    /// Same as [`run`](Self::run).
    ///
    /// # Panics
    /// Same as [`run`](Self::run).
    pub fn run_until_stopped(self) -> Result<Drained> {
        let server_handle = self.handle();
        let Self { make_handler, listeners, engines, workers, settings } = self;
        let make_handler = &make_handler;
        let shared_settings = settings.clone();
        thread::scope(|scope| {
            let mut threads = Vec::with_capacity(engines.len());
            for (index, (engine, listener)) in engines.into_iter().zip(listeners).enumerate() {
                let (settings, workers, worker_handle) =
                    (settings.clone(), workers.clone(), server_handle.clone());
                let work = move || {
                    // When this worker returns or panics, the other workers must stop as well.
                    let _stop_on_drop = StopOnDrop { server_handle: worker_handle, index };
                    engine.run(index, listener, make_handler(), settings, workers)
                };
                let name = format!("sockeye-push-{index}");
                match thread::Builder::new().name(name).spawn_scoped(scope, work) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => {
                        server_handle.stop();
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
        let (closed, dropped) = (&shared_settings.closed, &shared_settings.dropped);
        let (closed, dropped) = (closed.load(Ordering::Relaxed), dropped.load(Ordering::Relaxed));
        Ok(Drained { closed, dropped, ..Drained::default() })
    }
}

/// A handle that stops a server, from any thread. Clones stop the same server.
///
/// To stop on Ctrl-C, call [`stop`](Self::stop) from where the program waits for the signal: a
/// thread, a task of tokio (`tokio::signal::ctrl_c`), or a handler of the crate `ctrlc`.
#[derive(Clone, Debug)]
pub struct ServerHandle {
    workers: Arc<Workers>,
}

impl ServerHandle {
    /// Stops the server: it accepts no more connections and closes the open ones one by one, as set
    /// with [`Server::shutdown`]. [`Listening::run`] returns when all have ended, or at the timeout
    /// of the shutdown.
    pub fn stop(&self) {
        // A worker that has ended needs no command.
        let _ = self.workers.post_to_all(|| Command::Stop);
    }
}

/// Stops the other workers when a worker returns or panics.
struct StopOnDrop {
    server_handle: ServerHandle,
    /// Index of the worker that ends.
    index: usize,
}

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.server_handle.workers.command_queues[self.index].close();
        self.server_handle.stop();
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
