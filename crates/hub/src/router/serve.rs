use std::fmt;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context as TaskContext, Poll};
use std::time::Duration;

use futures_core::Stream;
use sockeye::split::TrySendError;
use sockeye::{ErrorChain, Message, escape};
use tokio::task::JoinSet;
use tokio::time::Instant;
use tracing::Instrument as _;

use super::codec::{Codec, Command, Decoded, Incoming, Malformed};
use super::lanes::{Lanes, Limits};
use super::layer::Route;
use super::writer::BoxFuture;
use super::{
    ClientInfo, CommandId, CommandName, Context, Failure, Outgoing, Reply, Request, Writer,
    execution,
};

/// Maximum number of commands that are started in one poll of a connection, before other tasks of
/// the thread have their turn. tokio's budget for a task is 128 as well.
const COMMANDS_PER_POLL: usize = 128;

/// The parts of a router that its connections share.
pub(super) struct Settings {
    pub(super) route: Route,
    pub(super) codec: Arc<dyn Codec>,
    pub(super) timeout: Option<Duration>,
    pub(super) limits: Limits,
}

/// The future that serves a connection: see [`Router::serve`](super::Router::serve).
#[must_use = "futures do nothing unless polled"]
pub struct Serve {
    writer: Writer,
    future: BoxFuture<'static, sockeye::Result<()>>,
}

impl Serve {
    pub(super) fn new(
        settings: Settings,
        incoming: impl Stream<Item = sockeye::Result<Message>> + Send + 'static,
        outgoing: impl Outgoing,
        client: ClientInfo,
    ) -> Self {
        let Settings { route, codec, timeout, limits } = settings;
        let writer = Writer::new(outgoing, codec, client);
        let driver = Driver {
            incoming: Box::pin(incoming),
            route,
            writer: writer.clone(),
            timeout,
            lanes: Lanes::new(limits),
            held: None,
            rest: None,
            tasks: JoinSet::new(),
        };
        Self { writer, future: Box::pin(driver) }
    }

    /// Returns the writer for events to this client, to be kept before the first command is served.
    pub const fn writer(&self) -> &Writer {
        &self.writer
    }
}

impl Future for Serve {
    type Output = sockeye::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<sockeye::Result<()>> {
        self.future.as_mut().poll(cx)
    }
}

impl fmt::Debug for Serve {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Serve").field("writer", &self.writer).finish_non_exhaustive()
    }
}

/// The key of a lane: commands without an id share one.
type LaneKey = Option<CommandId>;

/// Reads commands and starts them.
///
/// ```text
///  messages ──► decode ──► held ──► lane ──► started ──► done at once ──► reply
///                           │                   │
///      no capacity: reading stops               └──► task ──► reply
/// ```
///
/// Invariant: each lane has one running command, and each running command has one task.
struct Driver<I> {
    incoming: Pin<Box<I>>,
    route: Route,
    writer: Writer,
    timeout: Option<Duration>,
    lanes: Lanes<LaneKey, Option<Context>, Job>,
    /// The command that was read and does not fit into the lanes.
    held: Option<Job>,
    /// The rest of a message with several commands.
    rest: Option<Message>,
    tasks: JoinSet<LaneKey>,
}

/// A command to run, or a malformed one to answer.
enum Job {
    Run(Request),
    Refuse(Malformed),
}

impl Job {
    fn lane(&self) -> LaneKey {
        match self {
            Self::Run(request) => request.context().id().cloned(),
            Self::Refuse(malformed) => malformed.id.clone(),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Run(request) => request.content().len(),
            Self::Refuse(_) => 0,
        }
    }
}

impl<I: Stream<Item = sockeye::Result<Message>>> Future for Driver<I> {
    type Output = sockeye::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut TaskContext<'_>) -> Poll<sockeye::Result<()>> {
        loop {
            if let Poll::Ready(ended) = self.poll_read(cx) {
                return Poll::Ready(ended);
            }
            // Polled last, so that the tasks that were spawned by now wake this one.
            match self.tasks.poll_join_next(cx) {
                Poll::Ready(Some(Ok(lane))) => self.leave(&lane),
                // Endpoints are contained: it is a codec or the sending side that panicked.
                Poll::Ready(Some(Err(error))) if error.is_panic() => {
                    resume_unwind(error.into_panic())
                }
                // The runtime shuts down.
                Poll::Ready(Some(Err(_))) => {}
                Poll::Ready(None) | Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<I: Stream<Item = sockeye::Result<Message>>> Driver<I> {
    /// Reads and starts commands until there is no input or no capacity. Ready when the connection
    /// is over.
    fn poll_read(&mut self, cx: &mut TaskContext<'_>) -> Poll<sockeye::Result<()>> {
        for _ in 0..COMMANDS_PER_POLL {
            if let Some(job) = self.held.take() {
                if !self.lanes.has_capacity(job.size()) {
                    self.held = Some(job);
                    return Poll::Pending;
                }
                self.enter(job);
            }
            let message = match self.rest.take() {
                Some(message) => message,
                None => match self.incoming.as_mut().poll_next(cx) {
                    Poll::Ready(Some(Ok(message))) => message,
                    Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                    Poll::Ready(None) => return Poll::Ready(Ok(())),
                    Poll::Pending => return Poll::Pending,
                },
            };
            let Decoded { command, rest } = self.writer.codec().decode(message);
            self.rest = rest;
            match command {
                Ok(Incoming::Command(command)) => self.held = Some(self.job(command)),
                Ok(Incoming::Cancel(id)) => self.cancel(id),
                Err(malformed) => self.held = Some(Job::Refuse(malformed)),
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn job(&self, command: Command) -> Job {
        let Command { name, id, content, timeout } = command;
        let timeout = match (self.timeout, timeout) {
            (Some(own), Some(clients)) => Some(own.min(clients)),
            (own, clients) => own.or(clients),
        };
        let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        let context = Context::new(self.writer.clone(), name, id, deadline);
        Job::Run(Request::new(context, content))
    }

    fn cancel(&self, id: CommandId) {
        for context in self.lanes.handles(&Some(id)).flatten() {
            context.cancellation().set();
        }
    }

    fn enter(&mut self, job: Job) {
        let (lane, size) = (job.lane(), job.size());
        let context = match &job {
            Job::Run(request) => Some(request.context().clone()),
            Job::Refuse(_) => None,
        };
        // A job that is done at once needs no lane.
        if let Err(job) = self.lanes.wait(&lane, context.clone(), job, size) {
            if !self.start(&lane, job) {
                self.lanes.begin(lane, context, size);
            }
        }
    }

    /// Ends the running job of a lane, and runs those that wait behind it as long as they are done
    /// at once.
    fn leave(&mut self, lane: &LaneKey) {
        while let Some(job) = self.lanes.leave(lane) {
            if !self.start(lane, job) {
                return;
            }
        }
    }

    /// Starts a job. Returns whether it is done; otherwise a task does the rest.
    fn start(&mut self, lane: &LaneKey, job: Job) -> bool {
        let (command, reply) = match job {
            Job::Refuse(malformed) => (None, Reply::Failure(malformed.failure)),
            Job::Run(request) => {
                let context = request.context().clone();
                match execution::start(&self.route, request) {
                    Ok(reply) => (Some(context), reply),
                    Err(running) => {
                        let (writer, lane) = (self.writer.clone(), lane.clone());
                        self.spawn(async move {
                            let reply = running.finish().await;
                            let command = Some(context.command());
                            if let Some(message) = encode(&writer, command, lane.as_ref(), reply) {
                                // An error means that the client has left.
                                let _ = writer.send(message).await;
                            }
                            lane
                        });
                        return false;
                    }
                }
            }
        };
        let command = command.as_ref().map(Context::command);
        let Some(message) = encode(&self.writer, command, lane.as_ref(), reply) else {
            return true;
        };
        let Err(TrySendError::Full(message)) = self.writer.try_send(message) else { return true };
        let (writer, lane) = (self.writer.clone(), lane.clone());
        self.spawn(async move {
            let _ = writer.send(message).await;
            lane
        });
        false
    }

    fn spawn(&mut self, task: impl Future<Output = LaneKey> + Send + 'static) {
        self.tasks.spawn(task.in_current_span());
    }
}

impl<I> Drop for Driver<I> {
    fn drop(&mut self) {
        // Dropping the tasks aborts them.
        self.writer.set_closed();
    }
}

/// Encodes a reply, and logs the error behind a failure. Does neither when the client has left:
/// endpoints that push events fail then.
fn encode(
    writer: &Writer,
    command: Option<&CommandName>,
    id: Option<&CommandId>,
    reply: Reply,
) -> Option<Message> {
    if writer.is_closed() {
        return None;
    }
    let codec = writer.codec();
    let failure = match reply {
        Reply::None => return None,
        Reply::Content(content) => match codec.encode_reply(command, id, Ok(&content)) {
            Ok(message) => return message,
            Err(error) => Failure::internal(error),
        },
        Reply::Failure(failure) => failure,
    };
    if let Some(error) = failure.source() {
        let error = ErrorChain(error).to_string();
        tracing::error!(command = ?command, error = %escape(&error), "a command failed");
    }
    codec.encode_reply(command, id, Err(&failure)).unwrap_or_else(|error| {
        tracing::error!(command = ?command, %error, "the failure of a command has no encoding");
        None
    })
}
