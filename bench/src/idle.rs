//! Connections that have exchanged one message and then stay idle: measures the memory that the
//! server keeps for each.

use std::net::Ipv4Addr;
use std::time::Instant;

use crate::connection::Connection;
use crate::connector::Connector;
use crate::cycle::Cycle;
use crate::load::{Load, LoadError, STALL};
use crate::memory::{resident, settle};
use crate::report::{Counts, Memory, Report, as_f64};

/// Number of connections that are opened, used and closed before the first measurement, so that
/// one-time allocations of the server are not counted.
const WARM_UP: usize = 100;

/// Number of connections from one address, far below the number of its ports.
const PER_ADDRESS: usize = 2000;

/// Measures the server's memory before and after the connections are opened. The counted time
/// covers all of this and is meaningless.
pub(crate) fn run(load: &Load) -> Result<Report, LoadError> {
    let pid = load.server_pid.ok_or(LoadError::NoProcess)?;
    let cycle = load.cycle(1);
    let connector = Connector::new(load)?;
    drop(open(load, &connector, &cycle, WARM_UP)?);
    settle(pid)?;
    let before = resident(pid)?;

    let mut counts = Counts::begin(load.server_pid)?;
    let connections = open(load, &connector, &cycle, load.connections)?;
    counts.replies(connections.len() as u64);
    settle(pid)?;
    let after = resident(pid)?;
    let mut report = counts.report(load)?;
    let grown = as_f64(after) - as_f64(before);
    let per_connection = grown / as_f64(connections.len() as u64);
    report.memory = Some(Memory { before, after, per_connection });
    Ok(report)
}

/// Opens connections from several addresses, because the ports of one address are limited, and then
/// echoes one message over each connection.
fn open(
    load: &Load,
    connector: &Connector<'_>,
    cycle: &Cycle,
    count: usize,
) -> Result<Vec<Connection>, LoadError> {
    let mut connections = Vec::with_capacity(count);
    for index in 0..count {
        let transport = connector.connect_from(source(index)).map_err(|error| error.on(index))?;
        connections.push(load.connection(transport, cycle, 0));
    }
    let mut buffer = vec![0; 4096];
    for (index, connection) in connections.iter_mut().enumerate() {
        exchange(connection, cycle, &mut buffer).map_err(|error| error.on(index))?;
    }
    Ok(connections)
}

/// Returns the source address of connection `index`: 127.0.0.2 and upwards.
fn source(index: usize) -> Ipv4Addr {
    let host = u8::try_from(2 + index / PER_ADDRESS).unwrap_or(u8::MAX - 1);
    Ipv4Addr::new(127, 0, 0, host)
}

/// Echoes one message over a blocking socket.
fn exchange(
    connection: &mut Connection,
    cycle: &Cycle,
    buffer: &mut [u8],
) -> Result<(), LoadError> {
    connection.queue(cycle, 1);
    while !connection.send(cycle)? {}
    let deadline = Instant::now() + STALL;
    while connection.receive(cycle, buffer)? == 0 {
        if Instant::now() >= deadline {
            return Err(LoadError::Stalled);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_connections_come_from_five_addresses() {
        assert_eq!(source(0), Ipv4Addr::new(127, 0, 0, 2));
        assert_eq!(source(9_999), Ipv4Addr::new(127, 0, 0, 6));
        assert_eq!(source(usize::MAX), Ipv4Addr::new(127, 0, 0, 254));
    }
}
