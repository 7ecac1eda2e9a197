use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::{ErrorKind, RedisError, RedisResult, Value};

use super::connection::{Connection, Connector, within};
use super::error::ServerError;
use super::url::Address;

/// The time for the answer of one sentinel, after which the next is asked.
const ASK_TIMEOUT: Duration = Duration::from_secs(1);

/// The time between two questions whether a service has another primary.
const ASK_INTERVAL: Duration = Duration::from_secs(1);

/// The sentinels that know the primary of a service.
#[derive(Debug)]
pub(super) struct Sentinels {
    pub(super) addresses: Vec<Address>,
    pub(super) service: String,
    pub(super) connector: Connector,
    /// The index of the sentinel to ask first.
    pub(super) first: AtomicUsize,
}

impl Sentinels {
    /// Returns the address of the primary, by the first sentinel that knows it, and the connection
    /// to this sentinel.
    pub(super) async fn find(&self) -> Result<(Address, Connection), ServerError> {
        let count = self.addresses.len();
        let first = self.first.load(Ordering::Relaxed);
        let mut last = None;
        for index in (0..count).map(|number| first.wrapping_add(number) % count) {
            let address = &self.addresses[index];
            let found = within(ASK_TIMEOUT, async {
                let connection = self.connector.connect(address, |_| {}).await?;
                Ok((self.ask(&connection).await?, connection))
            });
            match found.await {
                Ok(found) => {
                    self.first.store(index, Ordering::Relaxed);
                    return Ok(found);
                }
                Err(error) => last = Some(ServerError { address: address.clone(), error }),
            }
        }
        // A URL has one address at least.
        Err(last.expect("there are sentinels"))
    }

    /// Asks another sentinel first the next time, as the answer was of no use.
    pub(super) fn begin_with_next(&self) {
        self.first.fetch_add(1, Ordering::Relaxed);
    }

    async fn ask(&self, sentinel: &Connection) -> RedisResult<Address> {
        let mut command = redis::cmd("SENTINEL");
        command.arg("GET-MASTER-ADDR-BY-NAME").arg(&self.service);
        let unknown = || {
            let service = self.service.clone();
            let text = "the sentinel does not know the service";
            RedisError::from((ErrorKind::MasterNameNotFoundBySentinel, text, service))
        };
        let Value::Array(parts) = sentinel.send(&command).await? else { return Err(unknown()) };
        let [Value::BulkString(host), Value::BulkString(port)] = &*parts else {
            return Err(unknown());
        };
        let port = std::str::from_utf8(port).ok().and_then(|port| port.parse().ok());
        let host = String::from_utf8(host.clone()).ok();
        host.zip(port).map(|(host, port)| Address::Tcp { host, port }).ok_or_else(unknown)
    }

    /// Returns once the sentinels name another primary. While none answers, the link stays.
    pub(super) async fn until_other_primary(&self, primary: &Address, sentinel: Connection) {
        let mut sentinel = Some(sentinel);
        loop {
            tokio::time::sleep(ASK_INTERVAL).await;
            let answer = match &sentinel {
                Some(connection) => within(ASK_TIMEOUT, self.ask(connection)).await.ok(),
                None => self.find().await.ok().map(|(address, connection)| {
                    sentinel = Some(connection);
                    address
                }),
            };
            match answer {
                Some(address) if address != *primary => return,
                Some(_) => {}
                None => sentinel = None,
            }
        }
    }
}
