//! The load: one thread, one epoll, every connection in a closed loop.
//!
//! Per wake-up of a connection it makes one `read` and one `write` and copies nothing: what it costs
//! is what the bare epoll echo server costs, and the race against that server shows it.

use std::error::Error;
use std::fmt;
use std::io;
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use rustix::buffer::spare_capacity;
use rustix::event::{Timespec, epoll};
use serde::{Deserialize, Serialize};

use crate::connection::Connection;
use crate::cycle::{Cycle, Payload, Wire};
use crate::handshake::{self, HandshakeError};
use crate::processor::{self, Time};

/// Bytes read at most per wake-up of a connection.
const READ_SIZE: usize = 256 * 1024;

/// Longest wait for any event; a loop in which nothing happens for [`STALL`] is an error.
const WAIT: Timespec = Timespec { tv_sec: 0, tv_nsec: 50_000_000 };
const STALL: Duration = Duration::from_secs(5);

/// What to send where, and for how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// The server.
    pub address: SocketAddr,
    /// The request target of the opening handshake.
    pub path: String,
    /// WebSocket frames or the same bytes without a handshake.
    pub wire: Wire,
    /// What messages are made of.
    pub payload: Payload,
    /// Payload bytes of each message.
    pub length: usize,
    /// Connections open at once.
    pub connections: usize,
    /// Messages on their way per connection.
    pub in_flight: usize,
    /// Time at full load before anything is counted.
    pub warm_up: Duration,
    /// Time that is counted.
    pub duration: Duration,
    /// The server's process, if its processor time is to be measured.
    pub server_pid: Option<u32>,
}

/// What was seen in the counted time.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// Wire of the run.
    pub wire: Wire,
    /// Payload of the run.
    pub payload: Payload,
    /// Payload bytes of each message.
    pub length: usize,
    /// Connections open at once.
    pub connections: usize,
    /// Messages on their way per connection.
    pub in_flight: usize,
    /// Counted time in seconds.
    pub seconds: f64,
    /// Messages echoed whole, every byte as expected.
    pub messages: u64,
    /// The same per second.
    pub messages_per_second: f64,
    /// Time from queueing a message to its whole echo.
    pub latency: Latency,
    /// The server, if its process was named.
    pub server: Option<Share>,
    /// The driver itself.
    pub driver: Share,
    /// Share of the counted time that the hypervisor took, summed over all cores.
    pub stolen: f64,
}

/// Percentiles in microseconds.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Latency {
    /// Half of the messages were faster.
    pub p50: f64,
    /// 1 % were slower.
    pub p99: f64,
    /// 0.1 % were slower.
    pub p999: f64,
    /// The slowest.
    pub max: f64,
}

/// How a process spent the counted time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Share {
    /// User and system time per echoed message, in microseconds.
    pub microseconds_per_message: f64,
    /// Running, as a share of the counted time; 1 is a whole core.
    pub busy: f64,
    /// Ready to run while something else had the core, as a share of the counted time.
    pub waited: f64,
}

/// Runs the load to its end.
///
/// # Errors
///
/// The first thing that goes wrong on any connection ends the run: a figure of a server that does not
/// echo is worth nothing.
pub fn run(load: &Load) -> Result<Report, LoadError> {
    let cycle = Cycle::new(load.wire, load.payload, load.length, load.in_flight);
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections = Vec::with_capacity(load.connections);
    for first in 0..load.connections as u64 {
        let stream = connect(load)?;
        epoll::add(&epoll, &stream, epoll::EventData::new_u64(first), epoll::EventFlags::IN)?;
        connections.push(Connection::new(stream, &cycle, first, load.in_flight));
    }
    let mut counts = Counts::new();
    for (index, connection) in connections.iter_mut().enumerate() {
        connection.start(&cycle);
        pump(&epoll, index, connection, &cycle)?;
    }

    let mut buffer = vec![0; READ_SIZE];
    let mut events = Vec::with_capacity(load.connections.clamp(1, 1024));
    let mut end = Instant::now() + load.warm_up;
    let mut begun = None;
    let mut last_reply = Instant::now();
    loop {
        match epoll::wait(&epoll, spare_capacity(&mut events), Some(&WAIT)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let now = Instant::now();
        if now >= end {
            match begun.take() {
                None => {
                    counts = Counts::new();
                    begun = Some(Mark::now(load.server_pid)?);
                    end = Instant::now() + load.duration;
                }
                Some(mark) => return counts.report(load, &mark, &Mark::now(load.server_pid)?),
            }
        }
        if events.is_empty() && now.duration_since(last_reply) > STALL {
            return Err(LoadError::Stalled);
        }
        for event in events.drain(..) {
            let index = index(event.data);
            let connection = &mut connections[index];
            let flags = event.flags;
            if flags.contains(epoll::EventFlags::IN) || flags.contains(epoll::EventFlags::HUP) {
                let replies = connection
                    .receive(&cycle, &mut buffer, |from, to| counts.reply(from, to))
                    .map_err(|error| error.on(index))?;
                if replies > 0 {
                    last_reply = now;
                }
            }
            pump(&epoll, index, connection, &cycle)?;
        }
    }
}

/// The place of a connection, which is what its events carry.
fn index(data: epoll::EventData) -> usize {
    usize::try_from(data.u64()).expect("events carry what was an index")
}

/// Connects with a deadline for the handshake, then leaves the stream to the event loop.
fn connect(load: &Load) -> Result<TcpStream, LoadError> {
    let mut stream = TcpStream::connect(load.address)?;
    stream.set_nodelay(true)?;
    if load.wire == Wire::WebSocket {
        stream.set_read_timeout(Some(STALL))?;
        handshake::upgrade(&mut stream, &load.address.to_string(), &load.path)?;
    }
    stream.set_nonblocking(true)?;
    Ok(stream)
}

/// Writes what is queued and keeps the interest in writability in step with what is left.
fn pump(
    epoll: &impl std::os::fd::AsFd,
    index: usize,
    connection: &mut Connection,
    cycle: &Cycle,
) -> Result<(), LoadError> {
    let blocked = !connection.send(cycle)?;
    if blocked != connection.blocked {
        connection.blocked = blocked;
        let mut flags = epoll::EventFlags::IN;
        flags.set(epoll::EventFlags::OUT, blocked);
        let data = epoll::EventData::new_u64(index as u64);
        epoll::modify(epoll, &connection.stream, data, flags)?;
    }
    Ok(())
}

/// The clocks at one end of the counted time.
struct Mark {
    at: Instant,
    server: Option<Time>,
    driver: Time,
    stolen: Duration,
}

impl Mark {
    fn now(server_pid: Option<u32>) -> io::Result<Self> {
        Ok(Self {
            at: Instant::now(),
            server: server_pid.map(Time::of_process).transpose()?,
            driver: Time::of_process(std::process::id())?,
            stolen: processor::stolen()?,
        })
    }
}

/// Replies since the counts were last cleared.
struct Counts {
    messages: u64,
    latency: Histogram<u64>,
}

impl Counts {
    fn new() -> Self {
        let latency = Histogram::new_with_max(60_000_000_000, 3).expect("valid for three digits");
        Self { messages: 0, latency }
    }

    fn reply(&mut self, from: Instant, to: Instant) {
        self.messages += 1;
        let nanoseconds = to.duration_since(from).as_nanos();
        self.latency.saturating_record(u64::try_from(nanoseconds).unwrap_or(u64::MAX));
    }

    fn report(&self, load: &Load, begin: &Mark, end: &Mark) -> Result<Report, LoadError> {
        if self.messages == 0 {
            return Err(LoadError::NoReplies);
        }
        let seconds = end.at.duration_since(begin.at).as_secs_f64();
        let messages = as_f64(self.messages);
        let share = |time: Time| Share {
            microseconds_per_message: time.ran.as_secs_f64() * 1e6 / messages,
            busy: time.ran.as_secs_f64() / seconds,
            waited: time.waited.as_secs_f64() / seconds,
        };
        let server = end.server.zip(begin.server).map(|(end, begin)| share(end - begin));
        let percentile = |q| as_f64(self.latency.value_at_quantile(q)) / 1e3;
        Ok(Report {
            wire: load.wire,
            payload: load.payload,
            length: load.length,
            connections: load.connections,
            in_flight: load.in_flight,
            seconds,
            messages: self.messages,
            messages_per_second: messages / seconds,
            latency: Latency {
                p50: percentile(0.5),
                p99: percentile(0.99),
                p999: percentile(0.999),
                max: as_f64(self.latency.max()) / 1e3,
            },
            server,
            driver: share(end.driver - begin.driver),
            stolen: end.stolen.saturating_sub(begin.stolen).as_secs_f64() / seconds,
        })
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts and nanoseconds stay far below 2^52")]
fn as_f64(count: u64) -> f64 {
    count as f64
}

/// Why a run has no figure.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadError {
    /// A system call failed.
    Io(io::Error),
    /// The server did not become a WebSocket.
    Handshake(HandshakeError),
    /// The server closed a connection.
    Closed,
    /// A byte came back that was not sent, or not in this order.
    WrongByte {
        /// Replies that were right before it on this connection.
        message: u64,
        /// Its place in the reply, header included.
        offset: u64,
    },
    /// Replies stopped coming.
    Stalled,
    /// Not one reply came in the counted time.
    NoReplies,
    /// One of the above, on this connection.
    On {
        /// Place of the connection, in the order they were opened.
        connection: usize,
        /// What happened there.
        error: Box<LoadError>,
    },
}

impl LoadError {
    fn on(self, connection: usize) -> Self {
        Self::On { connection, error: Box::new(self) }
    }
}

impl From<io::Error> for LoadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<rustix::io::Errno> for LoadError {
    fn from(error: rustix::io::Errno) -> Self {
        Self::Io(error.into())
    }
}

impl From<HandshakeError> for LoadError {
    fn from(error: HandshakeError) -> Self {
        Self::Handshake(error)
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) => f.write_str("a system call failed"),
            Self::Handshake(_) => f.write_str("the opening handshake failed"),
            Self::Closed => f.write_str("the server closed the connection"),
            Self::WrongByte { message, offset } => {
                write!(f, "byte {offset} of reply {message} is not what was sent")
            }
            Self::Stalled => write!(f, "no reply for {} s", STALL.as_secs()),
            Self::NoReplies => f.write_str("no reply in the counted time"),
            Self::On { connection, .. } => write!(f, "connection {connection} failed"),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Io(error) => Some(error),
            Self::Handshake(error) => Some(error),
            Self::On { error, .. } => Some(error),
            _ => None,
        }
    }
}
