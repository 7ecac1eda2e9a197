//! The server: one process that serves, drains on command, and serves again on the same port.
//!
//! Each line of its standard input is a command, answered by one line. Its standard error is for
//! people, and for panics.
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

/// Maximum length of a message, in bytes.
pub(crate) const MAX_MESSAGE: usize = 1 << 20;

/// Maximum unwritten output for a peer in the handler server, or in the queue of a split
/// connection, in bytes.
const MAX_UNWRITTEN: u32 = 128 << 10;

/// Number and length in bytes of the messages that answer a message of [`Class::Feed`].
const FEED_COUNT: usize = 16;
const FEED_LENGTH: usize = 4096;

/// Number of messages that answer a message of [`Class::Last`]: more than the system buffers for a
/// peer that pauses.
const LAST_COUNT: usize = 768;

/// Length of each of them, in bytes.
pub(crate) const LAST_LENGTH: usize = 8192;

/// Timeout of a drain.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The API of the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
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
pub fn run(kind: Kind) -> anyhow::Result<()> {
    let server_counters = Arc::new(ServerCounters::default());
    let counted = server_counters.clone();
    let default_hook = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        counted.on_panic();
        default_hook(info);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let uncounted = split::UncountedQueues::default();
    let control =
        Control::start(server_counters.clone(), runtime.handle().clone(), uncounted.clone());
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    while control.serve_commands.recv().is_ok() {
        let drained = match kind {
            Kind::Pull => {
                let handler = pull::handler(&server_counters);
                serve_tasks(&runtime, &mut address, &control, handler)?
            }
            Kind::Split => {
                let handler = split::handler(&server_counters, &uncounted);
                serve_tasks(&runtime, &mut address, &control, handler)?
            }
            Kind::Push => {
                push::serve(&server_counters, &mut address, &control, Backend::Readiness)?
            }
            Kind::PushUring => {
                push::serve(&server_counters, &mut address, &control, Backend::IoUring)?
            }
        };
        println!("drained {} {} {}", drained.closed, drained.dropped, drained.left);
    }
    Ok(())
}

type Stop = Box<dyn FnOnce() + Send>;

/// The control of the server by the driver's commands.
struct Control {
    /// Receives an item for each `serve` command.
    serve_commands: Receiver<()>,
    /// Stops the running server.
    stop: Arc<Mutex<Option<Stop>>>,
}

impl Control {
    fn start(
        server_counters: Arc<ServerCounters>,
        runtime: tokio::runtime::Handle,
        uncounted: split::UncountedQueues,
    ) -> Self {
        let (serve, serve_commands) = channel();
        let stop = Arc::new(Mutex::new(None));
        let stop_slot = stop.clone();
        thread::spawn(move || {
            handle_commands(&server_counters, &runtime, &uncounted, &serve, &stop_slot);
        });
        Self { serve_commands, stop }
    }

    /// Reports that the server listens, and stores how to stop it.
    fn listening(&self, address: SocketAddr, stop: impl FnOnce() + Send + 'static) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(stop));
        println!("listening {address}");
    }
}

fn handle_commands(
    server_counters: &ServerCounters,
    runtime: &tokio::runtime::Handle,
    uncounted: &split::UncountedQueues,
    serve: &Sender<()>,
    stop: &Mutex<Option<Stop>>,
) {
    for line in io::stdin().lock().lines() {
        match line.as_deref() {
            Ok("serve") => drop(serve.send(())),
            Ok("stats") => {
                uncounted.count_closed();
                println!("{}", server_counters.line(runtime.metrics().num_alive_tasks()));
            }
            Ok("drain") => {
                if let Some(stop) = stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
                    stop();
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
    control: &Control,
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
        let stop = notify.clone();
        control.listening(*address, move || stop.notify_one());
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
        .max_message_length(MAX_MESSAGE)
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
