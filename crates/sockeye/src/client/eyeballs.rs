//! Connecting to a host that has several addresses: Happy Eyeballs (RFC 8305).
//!
//! The system's resolver returns the addresses of both families at once, so that there is no
//! Resolution Delay (section 3).

use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{ConnectError, Stage, StageTimer};

/// Delay before the next address is tried in parallel: the value that RFC 8305 section 8
/// recommends.
const CONNECTION_ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Maximum number of addresses to try, the resolver's first ones of each family. At a quarter of a
/// second each, further addresses would be tried only after most users have given up.
const MAX_ADDRESSES: usize = 32;

/// An address of a host that did not accept the connection, and the error.
#[derive(Debug)]
#[non_exhaustive]
pub struct FailedAttempt {
    /// The address that was tried.
    pub address: SocketAddr,
    /// The error of the operating system.
    pub error: io::Error,
}

impl fmt::Display for FailedAttempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.address, self.error)
    }
}

/// Resolves the host and connects to the first of its addresses that accepts.
pub(super) async fn dial(
    host: &str,
    port: u16,
    stage_timer: &StageTimer,
) -> Result<TcpStream, ConnectError> {
    let resolve = |source| ConnectError::Resolve { host: host.to_owned(), source };
    let resolved = async { tokio::net::lookup_host((host, port)).await.map_err(resolve) };
    let addresses = interleave(stage_timer.watch(Stage::Resolve, resolved).await?);
    if addresses.is_empty() {
        return Err(resolve(io::ErrorKind::AddrNotAvailable.into()));
    }
    connect(host, port, addresses, stage_timer).await
}

/// Connects to the first of these addresses of the host that accepts.
pub(super) async fn dial_addresses(
    host: &str,
    port: u16,
    addresses: &[SocketAddr],
    stage_timer: &StageTimer,
) -> Result<TcpStream, ConnectError> {
    connect(host, port, interleave(addresses.iter().copied()), stage_timer).await
}

/// Connects to the first of the host's addresses that accepts.
async fn connect(
    host: &str,
    port: u16,
    addresses: VecDeque<SocketAddr>,
    stage_timer: &StageTimer,
) -> Result<TcpStream, ConnectError> {
    let connected = async {
        race(addresses, TcpStream::connect).await.map_err(|attempts| ConnectError::Connect {
            authority: format!("{}:{port}", bracketed(host)),
            attempts,
        })
    };
    let stream = stage_timer.watch(Stage::Connect, connected).await?;
    // Set this early for the TLS handshake and the opening handshake.
    stream.set_nodelay(true).map_err(ConnectError::Io)?;
    Ok(stream)
}

/// Returns the host as it is written before a port, an IPv6 address in brackets.
pub(super) fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// Returns the addresses with their families alternating, beginning with the family of the
/// resolver's first address (RFC 8305 section 4, with a First Address Family Count of 1). The
/// system's resolver has already sorted them by RFC 6724.
fn interleave(addresses: impl IntoIterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut addresses = addresses.into_iter().peekable();
    let ipv6_first = addresses.peek().is_some_and(SocketAddr::is_ipv6);
    let (preferred, others): (Vec<_>, Vec<_>) =
        addresses.partition(|address| address.is_ipv6() == ipv6_first);
    let (mut preferred, mut others) = (preferred.into_iter(), others.into_iter());
    let mut mixed = VecDeque::new();
    while mixed.len() < MAX_ADDRESSES {
        let pair = [preferred.next(), others.next()];
        if pair == [None, None] {
            break;
        }
        mixed.extend(pair.into_iter().flatten());
    }
    mixed
}

/// Returns the first connection to be established (RFC 8305 section 5). An address is tried when
/// the previous attempt has failed or has not succeeded within the Connection Attempt Delay; the
/// slower attempts are dropped.
///
/// # Errors
/// All failed attempts, in the order in which they failed.
async fn race<S, F>(
    mut addresses: VecDeque<SocketAddr>,
    connect: impl Fn(SocketAddr) -> F,
) -> Result<S, Vec<FailedAttempt>>
where
    F: Future<Output = io::Result<S>>,
{
    let (mut attempts, mut failed) = (Vec::new(), Vec::new());
    loop {
        match addresses.pop_front() {
            Some(address) => attempts.push((address, Box::pin(connect(address)))),
            None if attempts.is_empty() => return Err(failed),
            None => {}
        }
        let outcome = first_outcome(&mut attempts, &mut failed);
        if addresses.is_empty() {
            if let Some(stream) = outcome.await {
                return Ok(stream);
            }
        } else if let Ok(Some(stream)) = timeout(CONNECTION_ATTEMPT_DELAY, outcome).await {
            return Ok(stream);
        }
    }
}

/// Waits until an attempt succeeds, or returns `None` once one or more have failed; these are moved
/// to `failed`.
async fn first_outcome<S, F>(
    attempts: &mut Vec<(SocketAddr, Pin<Box<F>>)>,
    failed: &mut Vec<FailedAttempt>,
) -> Option<S>
where
    F: Future<Output = io::Result<S>>,
{
    poll_fn(|cx| {
        let (before, mut index) = (failed.len(), 0);
        while let Some((address, attempt)) = attempts.get_mut(index) {
            let address = *address;
            match attempt.as_mut().poll(cx) {
                Poll::Ready(Ok(stream)) => return Poll::Ready(Some(stream)),
                Poll::Ready(Err(error)) => {
                    tracing::debug!(%address, %error, "attempt to connect failed");
                    failed.push(FailedAttempt { address, error });
                    drop(attempts.remove(index));
                }
                Poll::Pending => index += 1,
            }
        }
        if failed.len() > before { Poll::Ready(None) } else { Poll::Pending }
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;
    use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

    use tokio::net::{TcpListener, TcpSocket};
    use tokio::time::{Instant, sleep};

    use super::*;
    use crate::Client;
    use crate::upgrade::Upgrader;

    /// Returns both loopback addresses, IPv6 first, as a resolver returns them for a name.
    fn localhost(port: u16) -> VecDeque<SocketAddr> {
        let (v6, v4) = (Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into());
        interleave([v6, v4].map(|address: IpAddr| (address, port).into()))
    }

    /// Connects to a server that listens on one of the addresses, while the other address refuses
    /// connections or never accepts them.
    async fn assert_connects(listener: TcpListener) {
        let address = listener.local_addr().unwrap();
        let stage_timer = StageTimer::begin(Duration::from_secs(60));
        let dialled = connect("localhost", address.port(), localhost(address.port()), &stage_timer);
        let (dialled, accepted) = tokio::join!(dialled, listener.accept());
        let dialled = dialled.unwrap();
        assert_eq!(dialled.peer_addr().unwrap(), address);
        let (client, upgrader) = (Client::new("ws://localhost/"), Upgrader::new());
        let (client, server) =
            tokio::join!(client.handshake(dialled), upgrader.accept(accepted.unwrap().0));
        let (mut client, mut server) = (client.unwrap(), server.unwrap());
        client.send("over either family").await.unwrap();
        assert_eq!(server.recv().await.unwrap(), Some("over either family".into()));
    }

    #[tokio::test]
    async fn a_family_that_refuses_does_not_keep_the_other_from_connecting() {
        assert_connects(TcpListener::bind("127.0.0.1:0").await.unwrap()).await;
        match TcpListener::bind("[::1]:0").await {
            Ok(listener) => assert_connects(listener).await,
            Err(error) => eprintln!("skipped: there is no IPv6 here: {error}"),
        }
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_family_that_does_not_answer_does_not_keep_the_other_from_connecting() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let silent = TcpSocket::new_v6().unwrap();
        let address = (Ipv6Addr::LOCALHOST, listener.local_addr().unwrap().port()).into();
        if let Err(error) = silent.bind(address) {
            eprintln!("skipped: there is no IPv6 here: {error}");
            return;
        }
        // These attempts fill the accept queue, which is never read: the system drops further
        // attempts.
        let _silent = silent.listen(1).unwrap();
        let mut queued = Vec::new();
        while let Ok(stream) = timeout(FULL_AFTER, TcpStream::connect(address)).await {
            queued.push(stream.unwrap());
        }
        assert_connects(listener).await;
    }

    /// An attempt that takes longer than this has found the accept queue of the local listener
    /// full.
    const FULL_AFTER: Duration = Duration::from_millis(200);

    const AFTER_DELAY: Duration = Duration::from_millis(260);

    fn v4(last: u8) -> SocketAddr {
        ([192, 0, 2, last], 80).into()
    }

    fn v6(last: u16) -> SocketAddr {
        ([0x2001, 0xdb8, 0, 0, 0, 0, 0, last], 80).into()
    }

    fn refused() -> io::Result<SocketAddr> {
        Err(io::ErrorKind::ConnectionRefused.into())
    }

    #[test]
    fn families_take_turns_beginning_with_the_resolvers_first() {
        let mixed = interleave([v6(1), v6(2), v6(3), v4(1), v4(2)]);
        assert_eq!(mixed, [v6(1), v4(1), v6(2), v4(2), v6(3)]);
        assert_eq!(interleave([v4(1), v4(2), v6(1)]), [v4(1), v6(1), v4(2)]);
        assert_eq!(interleave([v4(1)]), [v4(1)]);
        assert!(interleave([]).is_empty());
    }

    #[test]
    fn no_more_addresses_than_the_limit_are_tried() {
        let mixed = interleave((0..200).map(v4));
        assert_eq!(mixed, (0..32).map(v4).collect::<Vec<_>>());
    }

    #[tokio::test(start_paused = true)]
    async fn an_address_that_hangs_costs_the_attempt_delay_and_no_more() {
        let start = Instant::now();
        let connect =
            |address| async move { if address == v6(1) { pending().await } else { Ok(address) } };
        assert_eq!(race([v6(1), v4(1)].into(), connect).await.unwrap(), v4(1));
        assert_eq!(start.elapsed(), CONNECTION_ATTEMPT_DELAY);
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_goes_on_beside_those_that_begin_later() {
        let tried = RefCell::new(Vec::new());
        let connect = |address| {
            tried.borrow_mut().push(address);
            async move {
                if address != v6(1) {
                    pending::<()>().await;
                }
                sleep(AFTER_DELAY).await;
                Ok(address)
            }
        };
        let winner = race([v6(1), v4(1), v6(2)].into(), connect).await.unwrap();
        assert_eq!(winner, v6(1));
        assert_eq!(*tried.borrow(), [v6(1), v4(1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_address_does_not_wait_when_one_has_failed() {
        let start = Instant::now();
        let connect =
            |address| async move { if address == v4(3) { Ok(address) } else { refused() } };
        let winner = race([v4(1), v4(2), v4(3)].into(), connect).await.unwrap();
        assert_eq!((winner, start.elapsed()), (v4(3), Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn every_address_is_named_when_all_have_failed() {
        let connect = |address| async move {
            if address == v6(1) {
                sleep(AFTER_DELAY).await;
            }
            refused()
        };
        let failed = race([v6(1), v4(1), v6(2)].into(), connect).await.unwrap_err();
        let addresses: Vec<_> = failed.iter().map(|attempt| attempt.address).collect();
        assert_eq!(addresses, [v4(1), v6(2), v6(1)]);
        let error = ConnectError::Connect { authority: "example.com:80".into(), attempts: failed };
        assert_eq!(
            error.to_string(),
            "could not connect to example.com:80: 192.0.2.1:80: connection refused; \
             [2001:db8::2]:80: connection refused; [2001:db8::1]:80: connection refused"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn those_that_come_later_are_dropped() {
        struct Attempt<'a>(&'a RefCell<usize>);
        impl Drop for Attempt<'_> {
            fn drop(&mut self) {
                *self.0.borrow_mut() += 1;
            }
        }
        let dropped = RefCell::new(0);
        let connect = |address| {
            let attempt = Attempt(&dropped);
            async move {
                if address != v4(2) {
                    pending::<()>().await;
                }
                drop(attempt);
                Ok(address)
            }
        };
        assert_eq!(race([v4(1), v4(2), v4(3)].into(), connect).await.unwrap(), v4(2));
        assert_eq!(*dropped.borrow(), 2);
    }
}
