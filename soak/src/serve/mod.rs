//! The server: one process that serves, drains when it is told to, and serves again at the same port.
//!
//! A line on its input is a command; each is answered by one line. Its error output is for people, and for panics.
//!
//! | command | answer |
//! |---|---|
//! | `serve` | `listening ADDRESS`, once it accepts |
//! | `stats` | the ledger |
//! | `drain` | `drained CLOSED DROPPED LEFT`, once no connection is left to it |
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

use crate::{Class, Ledger};

/// The longest message that is taken, in bytes.
pub(crate) const MAX_MESSAGE: usize = 1 << 20;

/// How much the handler server, or the queue of a divided connection, lets wait for a peer, in bytes.
const MAX_UNWRITTEN: u32 = 128 << 10;

/// How many messages answer one of [`Class::Feed`], and how long each is.
const FEED_COUNT: usize = 16;
const FEED_LENGTH: usize = 4096;

/// How many messages answer one of [`Class::Last`]: more than the system holds for a peer that pauses.
const LAST_COUNT: usize = 768;

/// How long each of them is, in bytes.
pub(crate) const LAST_LENGTH: usize = 8192;

/// How long a drain may take.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// Which API serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// `Server` with a task for each connection.
    Pull,
    /// The same, each connection divided by `WebSocket::split_with`, with every `WhenFull` in turn.
    Split,
    /// The handler server on readiness events.
    Push,
    /// The handler server on `io_uring`.
    PushUring,
}

/// Runs a server until its input ends.
///
/// # Errors
/// When it cannot listen, or its backend cannot be had.
pub fn run(kind: Kind) -> anyhow::Result<()> {
    let ledger = Arc::new(Ledger::default());
    let counted = ledger.clone();
    let tell = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        counted.panicked();
        tell(info);
    }));
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("no runtime")?;
    let split = split::Settling::default();
    let control = Control::start(ledger.clone(), runtime.handle().clone(), split.clone());
    let mut address = SocketAddr::from(([127, 0, 0, 1], 0));
    while control.serves.recv().is_ok() {
        let drained = match kind {
            Kind::Pull => {
                let handler = pull::handler(&ledger);
                serve_tasks(&runtime, &mut address, &control, handler)?
            }
            Kind::Split => {
                let handler = split::handler(&ledger, &split);
                serve_tasks(&runtime, &mut address, &control, handler)?
            }
            Kind::Push => push::serve(&ledger, &mut address, &control, Backend::Readiness)?,
            Kind::PushUring => push::serve(&ledger, &mut address, &control, Backend::IoUring)?,
        };
        println!("drained {} {} {}", drained.closed, drained.dropped, drained.left);
    }
    Ok(())
}

type Stop = Box<dyn FnOnce() + Send>;

/// Who obeys the driver.
struct Control {
    /// A command to serve.
    serves: Receiver<()>,
    /// What stops the server that runs.
    stop: Arc<Mutex<Option<Stop>>>,
}

impl Control {
    fn start(
        ledger: Arc<Ledger>,
        runtime: tokio::runtime::Handle,
        settling: split::Settling,
    ) -> Self {
        let (serve, serves) = channel();
        let stop = Arc::new(Mutex::new(None));
        let stopped = stop.clone();
        thread::spawn(move || obey(&ledger, &runtime, &settling, &serve, &stopped));
        Self { serves, stop }
    }

    /// The server listens, and is stopped like this.
    fn listening(&self, address: SocketAddr, stop: impl FnOnce() + Send + 'static) {
        *self.stop.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(stop));
        println!("listening {address}");
    }
}

fn obey(
    ledger: &Ledger,
    runtime: &tokio::runtime::Handle,
    settling: &split::Settling,
    serve: &Sender<()>,
    stop: &Mutex<Option<Stop>>,
) {
    for line in io::stdin().lock().lines() {
        match line.as_deref() {
            Ok("serve") => drop(serve.send(())),
            Ok("stats") => {
                settling.settle();
                println!("{}", ledger.line(runtime.metrics().num_alive_tasks()));
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

/// Serves by tasks until it is told to drain.
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
        let told = Arc::new(Notify::new());
        let stop = told.clone();
        control.listening(*address, move || stop.notify_one());
        let server = server.options(options()).admit(admit).shutdown(shutdown());
        Ok(server.serve_with_shutdown(handler, told.notified()).await?)
    })
}

/// Lets in who asks for a class, and notes it.
async fn admit(request: UpgradeRequest) -> Result<Admission, Refusal> {
    match Class::of(request.path()) {
        Some(class) => Ok(Admission::new().data(class)),
        None => Err(Refusal::not_found("no such class\n")),
    }
}

/// Limits and deadlines so short that a soak sees many of each.
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

/// The messages that answer one of [`Class::Last`], each with its number.
fn last() -> impl Iterator<Item = Vec<u8>> {
    (0..LAST_COUNT as u64).map(|number| {
        let mut message = number.to_be_bytes().to_vec();
        message.resize(LAST_LENGTH, 0);
        message
    })
}

/// The messages that answer one of [`Class::Feed`].
fn feed() -> impl Iterator<Item = Vec<u8>> {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    (0..FEED_COUNT).map(|_| {
        // Not the same each time, so that compression has something to do.
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        number.to_be_bytes().into_iter().cycle().take(FEED_LENGTH).collect()
    })
}
