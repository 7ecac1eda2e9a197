//! Targets: names are resolved once, each address is checked, and a checked address is connected to.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::{Instant, timeout};

use super::service::Service;
use crate::commands::tunnel::allow::Denied;
use crate::commands::tunnel::protocol::{Answer, Code, Request};

/// Returns the addresses of a target, all of which are allowed.
///
/// # Errors
/// The answer that refuses the request.
pub(super) async fn resolve(
    service: &Service,
    request: &Request,
) -> Result<Vec<SocketAddr>, Answer> {
    let (host, port) = (&*request.host, request.port);
    let deny = |reason| denied(&request.target(), reason);
    service.targets.check_name(host, port).map_err(deny)?;
    let addresses = match host.parse::<IpAddr>() {
        Ok(address) => vec![SocketAddr::new(address.to_canonical(), port)],
        Err(_) => lookup(service, host, port).await?,
    };
    for address in &addresses {
        service.targets.check_address(host, *address).map_err(deny)?;
    }
    Ok(addresses)
}

async fn lookup(service: &Service, host: &str, port: u16) -> Result<Vec<SocketAddr>, Answer> {
    let found = async {
        // Never closed: the wait ends with a permit or the timeout.
        let _permit = service.lookups.acquire().await;
        lookup_host((host, port)).await
    };
    let addresses: Vec<_> = match timeout(service.connect_timeout, found).await {
        Ok(Ok(addresses)) => addresses.collect(),
        Ok(Err(error)) => {
            let text = format!("the server does not find the name {host}: {error}");
            return Err(Answer::new(Code::NAME, text));
        }
        Err(_) => {
            let text = format!("the server's name service did not answer about {host} in time");
            return Err(Answer::new(Code::TIMEOUT, text));
        }
    };
    if addresses.is_empty() {
        return Err(Answer::new(Code::NAME, format!("the name {host} has no address")));
    }
    Ok(addresses)
}

/// Connects to the first address that accepts.
///
/// # Errors
/// The answer that refuses the request, for the last address.
pub(super) async fn connect(
    addresses: &[SocketAddr],
    time: Duration,
) -> Result<(TcpStream, SocketAddr), Answer> {
    let deadline = Instant::now() + time;
    let mut last = Answer::new(Code::NAME, "the name has no address");
    for (index, address) in addresses.iter().enumerate() {
        // An address that does not answer leaves its share of the time to those after it.
        let share = u32::try_from(addresses.len() - index).unwrap_or(u32::MAX);
        let time = deadline.saturating_duration_since(Instant::now()) / share;
        last = match timeout(time, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok((stream, *address)),
            Ok(Err(error)) => failure(&address.to_string(), &error),
            Err(_) => Answer::new(Code::TIMEOUT, format!("{address} does not answer")),
        };
    }
    Err(last)
}

/// Returns the answer to a request for a target that is not allowed.
pub(super) fn denied(target: &str, reason: Denied) -> Answer {
    let text = format!("the server does not allow {target}: {reason} (--allow)");
    Answer::new(Code::DENIED, text)
}

/// Returns the answer to a request whose target fails.
pub(super) fn failure(target: &str, error: &io::Error) -> Answer {
    let code = match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => Code::REFUSED,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => Code::UNREACHABLE,
        io::ErrorKind::TimedOut => Code::TIMEOUT,
        _ => Code::FAILED,
    };
    Answer::new(code, format!("the server cannot connect to {target}: {error}"))
}
