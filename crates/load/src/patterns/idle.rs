//! Connections that have exchanged one message and then stay idle: measures the memory that the
//! server keeps for each.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::connector;
use crate::error::LoadError;
use crate::exchange::Exchange;
use crate::load::Load;
use crate::measurement::Measurement;
use crate::message_cycle::MessageCycle;
use crate::process::{resident_memory, wait_until_idle};
use crate::progress::ProgressReporter;
use crate::report::{LoadReport, ServerMemory};
use crate::transport::Transport;

/// Number of connections that are opened, used and closed before the first measurement, so that
/// one-time allocations of the server are not counted.
const WARM_UP_CONNECTIONS: usize = 100;

/// Measures the server's memory before and after the connections are opened. The counted time
/// covers all of this and is meaningless.
pub(super) fn run(
    load: &Load,
    progress: &mut ProgressReporter<'_>,
) -> Result<LoadReport, LoadError> {
    let pid = load.server_process.ok_or(LoadError::NoProcess)?;
    let cycle = MessageCycle::prepare(load, 1);
    drop(open(load, &cycle, WARM_UP_CONNECTIONS, progress)?);
    wait_until_idle(pid)?;
    let before = resident_memory(pid)?;

    let mut measurement = Measurement::begin(load)?;
    let connections = open(load, &cycle, load.connections, progress)?;
    measurement.count(connections.len() as u64);
    wait_until_idle(pid)?;
    let after = resident_memory(pid)?;
    let mut report = measurement.finish()?;
    report.memory = before.zip(after).map(|(before, after)| ServerMemory { before, after });
    Ok(report)
}

/// Opens connections, and then echoes one message over each of them.
fn open(
    load: &Load,
    cycle: &MessageCycle,
    count: usize,
    progress: &mut ProgressReporter<'_>,
) -> Result<Vec<Transport<TcpStream>>, LoadError> {
    let mut transports = connector::open_from_many_addresses(load, count, progress)?;
    for (index, transport) in transports.iter_mut().enumerate() {
        let exchange = Exchange::new(load, cycle, 0);
        echo_once(transport, exchange, cycle).map_err(|error| error.on(index))?;
    }
    Ok(transports)
}

/// Echoes one message over a blocking socket, whose timeout bounds each read.
fn echo_once(
    transport: &mut Transport<TcpStream>,
    mut exchange: Exchange,
    cycle: &MessageCycle,
) -> Result<(), LoadError> {
    exchange.queue(cycle, 1);
    transport.write_all(exchange.unsent(cycle))?;
    transport.flush()?;
    let mut buffer = [0; 4096];
    loop {
        match transport.read(&mut buffer)? {
            0 => return Err(LoadError::Closed),
            size if exchange.receive(cycle, &buffer[..size])? > 0 => return Ok(()),
            _ => {}
        }
    }
}
