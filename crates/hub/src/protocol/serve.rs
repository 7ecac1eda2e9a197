//! The loop that serves a connected client, which all protocols share.

use std::collections::VecDeque;
use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use sockeye::{CloseFrame, Error, Message};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use super::builder::{ClientLimits, Ping};
use super::client::{Client, Expired};
use super::close;
use crate::core::RoomName;
use crate::session::Session;

/// A protocol's part in serving a client.
pub(crate) trait Dialect<S>: Send + Sync + 'static {
    /// A command of a client.
    type Command: Send + 'static;

    /// Decodes the commands of a message.
    ///
    /// # Errors
    /// The close frame for a client that breaks the protocol.
    fn decode(&self, message: Message) -> Result<Vec<Incoming<Self::Command>>, CloseFrame>;

    /// Returns the ping, which the client answers.
    fn ping(&self) -> Message;

    /// Carries out a command, and sends the reply. An error closes the connection.
    fn execute(
        self: Arc<Self>,
        client: Arc<Client<S>>,
        command: Self::Command,
    ) -> impl Future<Output = Result<(), CloseFrame>> + Send;

    /// Encodes the notice that the client has left a room because its token has expired.
    fn expired(&self, room: &RoomName) -> Option<Message>;
}

/// A command of a client, by the way in which it is carried out.
#[derive(Debug)]
pub(crate) enum Incoming<C> {
    /// The answer to a ping.
    Pong,
    /// A command that is carried out after those before it.
    Ordered(C),
    /// A command that is carried out beside the others.
    Concurrent(C),
}

type Execution = Pin<Box<dyn Future<Output = Result<(), CloseFrame>> + Send>>;

/// Serves a client until its connection is over. `first` are commands that arrived already.
///
/// Commands run one after the other, except concurrent ones, of which as many run as the limits
/// allow. While as many commands wait or run as the limits allow, by number or by length, the
/// client is not read, and the timeout of pings is suspended.
pub(crate) async fn serve<S: Send + Sync + 'static, D: Dialect<S>>(
    session: &mut Session<S>,
    client: Arc<Client<S>>,
    dialect: Arc<D>,
    first: Vec<Incoming<D::Command>>,
) -> Result<(), Error> {
    let limits = client.config().limits;
    let mut queue = Queue::new();
    let mut concurrent = JoinSet::new();
    let mut current: Option<Execution> = None;
    let mut pings = Pings::new(client.config().ping);
    let execute =
        |command| -> Execution { Box::pin(dialect.clone().execute(client.clone(), command)) };
    // Their length is not known, and bounded as that of a message is.
    queue.extend(first, 0);
    loop {
        while concurrent.len() < limits.rpcs {
            let Some(command) = queue.pop_concurrent() else { break };
            concurrent.spawn(execute(command));
        }
        if current.is_none() {
            current = queue.pop_ordered().map(&execute);
        }
        let reads = queue.has_capacity(&limits) && concurrent.len() < limits.rpcs;
        let now = Instant::now();
        let timeouts = [client.next_timeout(), pings.next_timeout(reads)];
        let timeout = timeouts.into_iter().flatten().min();
        tokio::select! {
            biased;
            result = finish(&mut current) => {
                current = None;
                if let Err(frame) = result {
                    return end(session, &client, frame).await;
                }
            }
            // A command of the JoinSet contains its panics.
            Some(result) = concurrent.join_next() => if let Ok(Err(frame)) = result {
                return end(session, &client, frame).await;
            },
            received = session.recv(), if reads => {
                let Some(message) = received? else { return Ok(()) };
                pings.on_received();
                let length = message.len();
                match dialect.decode(message) {
                    Ok(commands) => queue.extend(commands, length),
                    Err(frame) => return end(session, &client, frame).await,
                }
            }
            () = sleep_until_some(timeout) => {
                let now = Instant::now();
                for expired in client.on_timeout(now) {
                    match expired {
                        Expired::Room(room) => {
                            if let Some(notice) = dialect.expired(&room) {
                                client.session().reply(notice);
                            }
                        }
                        Expired::Connection => return drain(session).await,
                    }
                }
                match pings.on_timeout(now, reads) {
                    Some(Due::Ping) => client.session().reply(dialect.ping()),
                    Some(Due::NoPong) => {
                        return end(session, &client, close::frame(close::NO_PONG)).await;
                    }
                    None => {}
                }
            }
        }
        // While commands are not read for long, their client is not late.
        if !reads {
            pings.extend(now.elapsed());
        }
    }
}

/// The commands of a client that wait.
#[derive(Debug)]
struct Queue<C> {
    ordered: VecDeque<Waiting<C>>,
    concurrent: VecDeque<Waiting<C>>,
    /// The length of all of them.
    bytes: usize,
}

#[derive(Debug)]
struct Waiting<C> {
    command: C,
    /// The command's share of the length of its message, in bytes.
    length: usize,
}

impl<C> Queue<C> {
    /// The length of waiting commands with which the client is not read, in commands of the maximum
    /// length.
    const MAX_LENGTH: usize = 4;

    const fn new() -> Self {
        Self { ordered: VecDeque::new(), concurrent: VecDeque::new(), bytes: 0 }
    }

    /// Adds the commands of a message of `length` bytes.
    fn extend(&mut self, commands: Vec<Incoming<C>>, length: usize) {
        let length = length.div_ceil(commands.len().max(1));
        for command in commands {
            let (queue, command) = match command {
                Incoming::Pong => continue,
                Incoming::Ordered(command) => (&mut self.ordered, command),
                Incoming::Concurrent(command) => (&mut self.concurrent, command),
            };
            queue.push_back(Waiting { command, length });
            self.bytes += length;
        }
    }

    fn pop_ordered(&mut self) -> Option<C> {
        let waiting = self.ordered.pop_front();
        self.remove(waiting)
    }

    fn pop_concurrent(&mut self) -> Option<C> {
        let waiting = self.concurrent.pop_front();
        self.remove(waiting)
    }

    fn remove(&mut self, waiting: Option<Waiting<C>>) -> Option<C> {
        let Waiting { command, length } = waiting?;
        self.bytes -= length;
        Some(command)
    }

    /// Returns whether another message may be read.
    fn has_capacity(&self, limits: &ClientLimits) -> bool {
        self.ordered.len() < limits.commands
            && self.concurrent.is_empty()
            && self.bytes < limits.command_bytes.saturating_mul(Self::MAX_LENGTH)
    }
}

/// Closes the connection, and waits for its end.
async fn end<S: Send + Sync + 'static>(
    session: &mut Session<S>,
    client: &Client<S>,
    frame: CloseFrame,
) -> Result<(), Error> {
    client.close(frame);
    drain(session).await
}

/// Discards what a client sends until the connection is over.
async fn drain<S: Send + Sync + 'static>(session: &mut Session<S>) -> Result<(), Error> {
    while session.recv().await?.is_some() {}
    Ok(())
}

async fn finish(current: &mut Option<Execution>) -> Result<(), CloseFrame> {
    match current {
        Some(execution) => execution.await,
        None => pending().await,
    }
}

async fn sleep_until_some(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// The pings of a connection.
#[derive(Debug)]
struct Pings {
    times: Option<Ping>,
    /// The time of the next ping.
    next: Instant,
    /// The time until which the client must answer.
    answer_by: Option<Instant>,
}

/// A ping, or its missing answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Due {
    Ping,
    NoPong,
}

impl Pings {
    fn new(times: Option<Ping>) -> Self {
        let now = Instant::now();
        let next = times.map_or(now, |times| now + times.interval);
        Self { times, next, answer_by: None }
    }

    /// Handles a message of the client: a client that sends anything is there.
    fn on_received(&mut self) {
        self.answer_by = None;
    }

    /// Allows the client more time for its answer, as it was not read for some time.
    fn extend(&mut self, time: std::time::Duration) {
        self.answer_by = self.answer_by.map(|at| at + time);
    }

    fn next_timeout(&self, reads: bool) -> Option<Instant> {
        self.times?;
        let answer_by = self.answer_by.filter(|_| reads);
        Some(answer_by.map_or(self.next, |at| at.min(self.next)))
    }

    fn on_timeout(&mut self, now: Instant, reads: bool) -> Option<Due> {
        let times = self.times?;
        if reads && self.answer_by.is_some_and(|at| at <= now) {
            return Some(Due::NoPong);
        }
        if self.next > now {
            return None;
        }
        self.next = now + times.interval;
        self.answer_by.get_or_insert(now + times.timeout);
        Some(Due::Ping)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const PING: Ping = Ping { interval: Duration::from_secs(25), timeout: Duration::from_secs(8) };

    fn at(pings: &Pings) -> Instant {
        pings.next_timeout(true).unwrap()
    }

    #[test]
    fn commands_wait_up_to_a_length_and_concurrent_ones_stop_the_reading() {
        let limits = ClientLimits { commands: 8, command_bytes: 100, ..ClientLimits::default() };
        let mut queue = Queue::new();
        queue.extend(vec![Incoming::Ordered(1), Incoming::Ordered(2), Incoming::Pong], 399);
        assert!(queue.has_capacity(&limits));
        queue.extend(vec![Incoming::Ordered(3)], 150);
        assert!(!queue.has_capacity(&limits));
        assert_eq!((queue.pop_ordered(), queue.has_capacity(&limits)), (Some(1), true));
        queue.extend(vec![Incoming::Concurrent(4), Incoming::Concurrent(5)], 2);
        assert_eq!((queue.pop_concurrent(), queue.has_capacity(&limits)), (Some(4), false));
        assert_eq!((queue.pop_concurrent(), queue.has_capacity(&limits)), (Some(5), true));
        assert_eq!((queue.pop_ordered(), queue.pop_ordered()), (Some(2), Some(3)));
        assert_eq!((queue.pop_ordered(), queue.bytes), (None, 0));
    }

    #[tokio::test]
    async fn a_client_that_answers_nothing_in_time_is_late() {
        let mut pings = Pings::new(Some(PING));
        let first = at(&pings);
        assert_eq!(pings.on_timeout(first - Duration::from_secs(1), true), None);
        assert_eq!(pings.on_timeout(first, true), Some(Due::Ping));
        assert_eq!(at(&pings), first + PING.timeout);
        pings.on_received();
        assert_eq!(at(&pings), first + PING.interval);
        assert_eq!(pings.on_timeout(first + PING.interval, true), Some(Due::Ping));
        assert_eq!(pings.on_timeout(at(&pings), true), Some(Due::NoPong));
    }

    #[tokio::test]
    async fn a_client_that_is_not_read_is_not_late() {
        let mut pings = Pings::new(Some(PING));
        let first = at(&pings);
        assert_eq!(pings.on_timeout(first, false), Some(Due::Ping));
        assert_eq!(pings.on_timeout(first + PING.timeout, false), None);
        pings.extend(Duration::from_secs(100));
        assert_eq!(pings.answer_by, Some(first + PING.timeout + Duration::from_secs(100)));
    }

    #[tokio::test]
    async fn without_pings_nobody_is_late() {
        assert_eq!(Pings::new(None).next_timeout(true), None);
    }
}
