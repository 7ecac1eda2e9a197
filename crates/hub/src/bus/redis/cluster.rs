use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, Value};

use super::connection::{Connector, within};
use super::error::ServerError;
use super::partition::Partition;
use super::url::Address;

/// The time for the answer of one server, after which the next is asked.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// A cluster, of which some servers are known.
#[derive(Debug)]
pub(super) struct Cluster {
    /// The addresses of the URL.
    pub(super) seeds: Vec<Address>,
    /// The primaries that the cluster had last.
    pub(super) primaries: Mutex<Vec<Address>>,
    /// The index of the server to ask first, of the primaries followed by the seeds.
    pub(super) first: AtomicUsize,
}

/// The primaries to connect to, and what they serve.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Primaries {
    /// Each serves a partition at least.
    pub(super) addresses: Vec<Address>,
    /// The index of each partition's primary.
    pub(super) of_partition: Vec<usize>,
}

impl Primaries {
    /// Returns the one primary of all partitions.
    pub(super) fn single(address: Address) -> Self {
        Self { addresses: vec![address], of_partition: vec![0; Partition::COUNT.into()] }
    }

    /// Returns a partition that the primary serves.
    pub(super) fn partition_of(&self, primary: usize) -> Option<Partition> {
        Partition::all().find(|partition| self.of_partition[partition.index()] == primary)
    }
}

impl Cluster {
    /// Returns the primaries, by the first server that knows them.
    pub(super) async fn find(&self, connector: &Connector) -> Result<Primaries, ServerError> {
        let mut known = self.primaries().clone();
        known.extend_from_slice(&self.seeds);
        let first = self.first.load(Ordering::Relaxed);
        let mut last = None;
        for number in 0..known.len() {
            let address = &known[first.wrapping_add(number) % known.len()];
            let asked = within(ASK_TIMEOUT, async {
                let connection = connector.connect(address, |_| {}).await?;
                let mut command = redis::cmd("CLUSTER");
                connection.send(command.arg("SLOTS")).await
            });
            match asked.await.and_then(|slots| primaries(&slots, address)) {
                Ok(primaries) => {
                    self.primaries().clone_from(&primaries.addresses);
                    return Ok(primaries);
                }
                Err(error) => last = Some(ServerError { address: address.clone(), error }),
            }
        }
        // A URL has one address at least.
        Err(last.expect("there are servers"))
    }

    /// Asks another server first the next time, as the answer was of no use.
    pub(super) fn begin_with_next(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    fn primaries(&self) -> std::sync::MutexGuard<'_, Vec<Address>> {
        // No code panics while it holds the lock.
        self.primaries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the reply to `CLUSTER SLOTS`: ranges of slots, each with its primary and its replicas.
fn primaries(slots: &Value, asked: &Address) -> RedisResult<Primaries> {
    let ranges = match slots {
        Value::Array(ranges) => ranges.iter().map(|range| range_of(range, asked)).collect(),
        _ => None,
    };
    let ranges: Vec<_> = ranges.ok_or_else(|| {
        RedisError::from((ErrorKind::UnexpectedReturnType, "expected ranges of slots"))
    })?;
    let mut found = Primaries { addresses: Vec::new(), of_partition: Vec::new() };
    for partition in Partition::all() {
        let slot = partition.slot();
        let range = ranges.iter().find(|range| (range.first..=range.last).contains(&slot));
        let Some(range) = range else {
            let text = "no server of the cluster serves a slot";
            return Err((ErrorKind::ClusterConnectionNotFound, text, slot.to_string()).into());
        };
        let known = found.addresses.iter().position(|address| *address == range.primary);
        found.of_partition.push(known.unwrap_or_else(|| {
            found.addresses.push(range.primary.clone());
            found.addresses.len() - 1
        }));
    }
    Ok(found)
}

struct SlotRange {
    first: u16,
    last: u16,
    primary: Address,
}

fn range_of(range: &Value, asked: &Address) -> Option<SlotRange> {
    let Value::Array(parts) = range else { return None };
    let [Value::Int(first), Value::Int(last), Value::Array(primary), ..] = &**parts else {
        return None;
    };
    let [host, Value::Int(port), ..] = &**primary else { return None };
    let host = match (host, asked) {
        (Value::BulkString(host), _) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
        // The server does not know its own host, or has none that it prefers.
        (Value::Nil | Value::BulkString(_), Address::Tcp { host, .. }) => host.clone(),
        _ => return None,
    };
    let port = u16::try_from(*port).ok()?;
    Some(SlotRange {
        first: u16::try_from(*first).ok()?,
        last: u16::try_from(*last).ok()?,
        primary: Address::Tcp { host, port },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(host: &str, port: u16) -> Address {
        Address::Tcp { host: host.into(), port }
    }

    fn range(first: i64, last: i64, host: Value, port: i64) -> Value {
        let server = |host, port| {
            let id = Value::BulkString(b"id".into());
            Value::Array(vec![host, Value::Int(port), id, Value::Map(Vec::new())])
        };
        let replica = server(Value::BulkString(b"replica".into()), 1);
        Value::Array(vec![Value::Int(first), Value::Int(last), server(host, port), replica])
    }

    fn host(host: &str) -> Value {
        Value::BulkString(host.into())
    }

    #[test]
    fn every_partition_has_the_primary_of_its_slot() {
        let slots = Value::Array(vec![
            range(0, 5_000, host("a"), 1),
            range(5_001, 5_001, host("b"), 2),
            range(5_002, 10_000, host(""), 3),
            range(10_001, 16_383, Value::Nil, 3),
        ]);
        let found = primaries(&slots, &tcp("asked", 9)).unwrap();
        // None has the slot 5001, so that its primary is not needed.
        assert!(Partition::all().all(|partition| partition.slot() != 5_001));
        assert_eq!(found.addresses.len(), 2);
        for partition in Partition::all() {
            let expected = if partition.slot() <= 5_000 { tcp("a", 1) } else { tcp("asked", 3) };
            assert_eq!(found.addresses[found.of_partition[partition.index()]], expected);
        }
        for primary in 0..2 {
            let partition = found.partition_of(primary).unwrap();
            assert_eq!(found.of_partition[partition.index()], primary);
        }
    }

    #[test]
    fn a_reply_that_does_not_cover_all_slots_is_refused() {
        let asked = tcp("asked", 9);
        let covered =
            |ranges| primaries(&Value::Array(ranges), &asked).map_err(|error| error.kind());
        let missing = Err(ErrorKind::ClusterConnectionNotFound);
        assert_eq!(covered(vec![]), missing);
        assert_eq!(covered(vec![range(0, 16_000, host("a"), 1)]), missing);
        let unexpected = Err(ErrorKind::UnexpectedReturnType);
        for (first, port) in [(-1, 1), (70_000, 1), (0, -1), (0, 70_000)] {
            assert_eq!(covered(vec![range(first, 16_383, host("a"), port)]), unexpected);
        }
        assert_eq!(covered(vec![Value::Int(1)]), unexpected);
        assert_eq!(covered(vec![Value::Array(vec![Value::Int(0)])]), unexpected);
        assert!(primaries(&Value::Nil, &asked).is_err());
    }
}
