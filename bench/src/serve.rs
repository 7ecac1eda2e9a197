//! The frame of every tokio echo server: one thread, `TCP_NODELAY`, a task per connection.

use std::env;
use std::fmt;
use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};

/// When answers are handed to the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writes {
    /// One write per message: the simplest loop that a user writes.
    Send,
    /// One write when nothing more is ready to be read: the fast way.
    Feed,
}

/// What a server program is told: `ADDR [send|feed]`.
#[derive(Clone, Copy, Debug)]
pub struct Arguments {
    /// Where to listen; port 0 for any free one.
    pub address: SocketAddr,
    /// Feed, unless `send` is asked for. Programs with only one way ignore it.
    pub writes: Writes,
}

impl Arguments {
    /// Reads the program's arguments.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidInput`] with the usage for anything else than `ADDR [send|feed]`.
    pub fn parse() -> io::Result<Self> {
        let mut arguments = env::args().skip(1);
        let address = arguments.next().and_then(|address| address.parse().ok());
        let writes = match arguments.next().as_deref() {
            None | Some("feed") => Some(Writes::Feed),
            Some("send") => Some(Writes::Send),
            Some(_) => None,
        };
        match (address, writes, arguments.next()) {
            (Some(address), Some(writes), None) => Ok(Self { address, writes }),
            _ => Err(io::Error::new(io::ErrorKind::InvalidInput, "arguments: ADDR [send|feed]")),
        }
    }
}

/// Says where the server can be reached; the runner waits for this line.
pub fn announce(address: SocketAddr) {
    println!("listening on {address}");
}

/// Serves connections until the process is killed. A connection that fails is dropped, silently for
/// [`io::Error`]s that a driver's end causes, and reported for any other reason.
///
/// Timers are on, as `#[tokio::main]` has them. Tasks are unconstrained, as the examples of fastwebsockets and tokio-websockets recommend: every
/// tokio server in the race has this advantage.
///
/// # Errors
///
/// If the runtime cannot be built or the address cannot be listened on.
pub fn run<F, E>(
    address: SocketAddr,
    handle: impl Fn(TcpStream) -> F + Send + Copy + 'static,
) -> io::Result<()>
where
    F: Future<Output = Result<(), E>> + Send + 'static,
    E: fmt::Display + Send + 'static,
{
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async move {
        let listener = TcpListener::bind(address).await?;
        announce(listener.local_addr()?);
        loop {
            let (stream, _) = listener.accept().await?;
            stream.set_nodelay(true)?;
            tokio::spawn(tokio::task::unconstrained(async move {
                if let Err(error) = handle(stream).await {
                    eprintln!("connection ended: {error}");
                }
            }));
        }
    })
}
