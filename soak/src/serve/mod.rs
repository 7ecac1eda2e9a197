//! The server: one process that serves, drains on command, and serves again on the same port.
//!
//! Each line of its standard input is a command, answered by one line. Diagnostics and panics go
//! to its standard error.
//!
//! | command | answer |
//! |---|---|
//! | `serve` | `listening ADDRESS`, once it accepts |
//! | `stats` | the counters |
//! | `drain` | `drained CLOSED DROPPED LEFT`, once the drain has finished |
//! | `quit`, or the end of the input | none: the process ends |

mod pull;
mod push;
mod split;

use std::io::{self, BufRead as _};
use std::net::SocketAddr;
use std::panic;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use sockeye::push::Backend;
use sockeye::upgrade::{Admission, Options, Refusal, UpgradeRequest};
use sockeye::{Config, Deflate, Drained, Server, Shutdown, WebSocket};
use tokio::runtime::Runtime;
use tokio::sync::Notify;

use crate::{Class, ServerCounters};

/// Maximum length of a message, in bytes. Chosen: several times the 200 kB of the longest
/// message of an honest client.
pub(crate) const MAX_MESSAGE_LENGTH: usize = 1 << 20;

/// Maximum unwritten output of a connection, in bytes: `max_unwritten` of the handler server, and
/// the capacity of the queue of a split connection. Chosen: about two answers to a message of
/// [`Class::Feed`], so that a peer that stops reading soon reaches it.
const MAX_UNWRITTEN: u32 = 128 << 10;

/// Number of messages that answer a message of [`Class::Feed`].
const FEED_COUNT: usize = 16;

/// Length of each of these messages, in bytes.
const FEED_LENGTH: usize = 4096;

/// Number of messages that answer a message of [`Class::Last`]: more than the system buffers for a
/// peer that pauses.
const LAST_COUNT: usize = 768;

/// Length of each message that answers a message of [`Class::Last`], in bytes.
pub(crate) const LAST_LENGTH: usize = 8192;

/// Timeout after which a drain drops the remaining connections. Chosen: the close frames are spread
/// over its first half, and the close timeout of 2 s fits into the second.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The kind of server: its API, and for the handler server its backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ServerKind {
    /// `Server` with a task for each connection.
    Pull,
    /// The same, each connection split by `WebSocket::split_with`, with every `WhenFull` in turn.
    Split,
    /// The handler server on readiness events.
    Push,
    /// The handler server on `io_uring`.
    PushUring,
}

/// Runs a server until the end of its input.
///
/// # Errors
/// When the server cannot listen, or its backend is not available.
pub fn run(kind: ServerKind) -> anyhow::Result<()> {
    let server_counters = Arc::new(ServerCounters::default());
    let panic_counters = server_counters.clone();
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        panic_counters.on_panic();
        default_hook(info);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let uncounted_queues = split::UncountedQueues::default();
    let command_thread = CommandThread::start(
        server_counters.clone(),
        runtime.handle().clone(),
        uncounted_queues.clone(),
    );
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    while command_thread.serve_commands.recv().is_ok() {
        let drained = match kind {
            ServerKind::Pull => {
                let handler = pull::handler(&server_counters);
                serve_tasks(&runtime, &mut address, &command_thread, handler)?
            }
            ServerKind::Split => {
                let handler = split::handler(&server_counters, &uncounted_queues);
                serve_tasks(&runtime, &mut address, &command_thread, handler)?
            }
            ServerKind::Push => {
                push::serve(&server_counters, &mut address, &command_thread, Backend::Readiness)?
            }
            ServerKind::PushUring => {
                push::serve(&server_counters, &mut address, &command_thread, Backend::IoUring)?
            }
        };
        println!("drained {} {} {}", drained.closed, drained.dropped, drained.left);
    }
    Ok(())
}

type BeginDrain = Box<dyn FnOnce() + Send>;

/// The thread that handles the driver's commands.
struct CommandThread {
    /// Receives an item for each `serve` command.
    serve_commands: Receiver<()>,
    /// Begins the drain of the running server; `None` before it listens and once the drain has
    /// begun.
    begin_drain: Arc<Mutex<Option<BeginDrain>>>,
}

impl CommandThread {
    fn start(
        server_counters: Arc<ServerCounters>,
        runtime: tokio::runtime::Handle,
        uncounted_queues: split::UncountedQueues,
    ) -> Self {
        let (serve, serve_commands) = channel();
        let begin_drain = Arc::new(Mutex::new(None));
        let begin_drain_slot = begin_drain.clone();
        thread::spawn(move || {
            handle_commands(
                &server_counters,
                &runtime,
                &uncounted_queues,
                &serve,
                &begin_drain_slot,
            );
        });
        Self { serve_commands, begin_drain }
    }

    /// Reports that the server listens, and stores the function that begins its drain.
    fn on_listening(&self, address: SocketAddr, begin_drain: impl FnOnce() + Send + 'static) {
        *self.begin_drain.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Box::new(begin_drain));
        println!("listening {address}");
    }
}

fn handle_commands(
    server_counters: &ServerCounters,
    runtime: &tokio::runtime::Handle,
    uncounted_queues: &split::UncountedQueues,
    serve: &Sender<()>,
    begin_drain: &Mutex<Option<BeginDrain>>,
) {
    for line in io::stdin().lock().lines() {
        match line.as_deref() {
            Ok("serve") => drop(serve.send(())),
            Ok("stats") => {
                uncounted_queues.count_closed();
                println!("{}", server_counters.line(runtime.metrics().num_alive_tasks()));
            }
            Ok("drain") => {
                let begin_drain = begin_drain.lock().unwrap_or_else(PoisonError::into_inner).take();
                if let Some(begin_drain) = begin_drain {
                    begin_drain();
                }
            }
            _ => break,
        }
    }
    std::process::exit(0);
}

/// Serves with a task for each connection until a drain command.
fn serve_tasks<H, F>(
    runtime: &Runtime,
    address: &mut SocketAddr,
    command_thread: &CommandThread,
    handler: H,
) -> anyhow::Result<Drained>
where
    H: Fn(WebSocket) -> F + Send + Sync + 'static,
    F: Future<Output = sockeye::Result<()>> + Send + 'static,
{
    runtime.block_on(async {
        let server = Server::bind(*address).await.context("cannot listen")?;
        *address = server.local_addr()?;
        let notify = Arc::new(Notify::new());
        let drain = notify.clone();
        command_thread.on_listening(*address, move || drain.notify_one());
        let server = server.options(options()).admit(admit).shutdown(shutdown());
        Ok(server.serve_with_shutdown(handler, notify.notified()).await?)
    })
}

/// Admits a request for a class, and stores the class with the connection.
async fn admit(request: UpgradeRequest) -> Result<Admission, Refusal> {
    match Class::of(request.path()) {
        Some(class) => Ok(Admission::new().data(class)),
        None => Err(Refusal::not_found("no such class\n")),
    }
}

/// Returns limits and timeouts so short that a soak reaches each of them often.
fn options() -> Options {
    let config = Config::new()
        .max_message_length(MAX_MESSAGE_LENGTH)
        .ping_after(Some(Duration::from_secs(3)))
        .pong_timeout(Duration::from_secs(8))
        .close_timeout(Duration::from_secs(2))
        .write_timeout(Some(Duration::from_secs(6)))
        .read_timeout(Some(Duration::from_secs(5)));
    Options::new().config(config).deflate(Deflate::new()).handshake_timeout(Duration::from_secs(4))
}

fn shutdown() -> Shutdown {
    Shutdown::restart().timeout(DRAIN_TIMEOUT)
}

/// Returns the messages that answer a message of [`Class::Last`], each with its number.
fn last_messages() -> impl Iterator<Item = Vec<u8>> {
    (0..LAST_COUNT as u64).map(|number| {
        let mut message = number.to_be_bytes().to_vec();
        message.resize(LAST_LENGTH, 0);
        message
    })
}

/// Returns the messages that answer a message of [`Class::Feed`].
fn feed_messages() -> impl Iterator<Item = Vec<u8>> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    (0..FEED_COUNT).map(|_| {
        // Different each time, so that compression has work to do.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        number.to_be_bytes().into_iter().cycle().take(FEED_LENGTH).collect()
    })
}
