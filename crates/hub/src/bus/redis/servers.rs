use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex};

use redis::{RedisResult, cmd};
use tokio::task::JoinSet;

use super::cluster::{Cluster, Primaries};
use super::connection::{AbortOnDrop, Connection, Connector};
use super::connections::Connections;
use super::error::{BoxedError, ConnectError, ServerError};
use super::keys::Keys;
use super::outlet::Outlet;
use super::primary::{Primary, Proof};
use super::sentinels::Sentinels;
use super::state::{State, StateSender};
use super::url::{Address, Kind, RedisUrl};
use crate::core::NodeId;

/// The first version that trims streams by the ids of their entries.
const MIN_VERSION: (u32, u32) = (6, 2);

/// The first version with sharded channels.
const MIN_VERSION_OF_CLUSTER: (u32, u32) = (7, 0);

/// The servers that a URL leads to.
#[derive(Debug)]
pub(super) struct Servers {
    connector: Connector,
    deployment: Deployment,
}

#[derive(Debug)]
enum Deployment {
    Single(Address),
    Sentinel(Arc<Sentinels>),
    Cluster(Cluster),
}

impl Servers {
    pub(super) fn new(url: &str) -> Result<Self, ConnectError> {
        let RedisUrl { kind, mut addresses, settings, tls } =
            RedisUrl::parse(url).map_err(ConnectError::Url)?;
        let tls = tls.map(|files| files.load()).transpose().map_err(ConnectError::Tls)?;
        let tls = tls.map(Arc::new);
        let deployment = match kind {
            Kind::Single => Deployment::Single(addresses.swap_remove(0)),
            Kind::Sentinel { service, settings } => {
                let connector = Connector::new(settings, tls.clone());
                let first = AtomicUsize::new(0);
                Deployment::Sentinel(Arc::new(Sentinels { addresses, service, connector, first }))
            }
            Kind::Cluster => Deployment::Cluster(Cluster {
                seeds: addresses,
                primaries: Mutex::default(),
                first: AtomicUsize::new(0),
            }),
        };
        Ok(Self { connector: Connector::new(settings, tls), deployment })
    }

    pub(super) fn is_cluster(&self) -> bool {
        matches!(self.deployment, Deployment::Cluster(_))
    }

    /// Connects once, and disconnects: the primary exists, and is one that this bus can use.
    pub(super) async fn check(&self) -> Result<(), ConnectError> {
        let (primaries, _) = self.find().await?;
        // There is one at least.
        let address = &primaries.addresses[0];
        let of_server = |error| ServerError { address: address.clone(), error };
        let connection = self.connector.connect(address, |_| {}).await.map_err(of_server)?;
        // A server that still loads its snapshot answers this, and refuses other commands.
        let mut info = cmd("INFO");
        let info = connection.send_step(info.arg("server")).await.map_err(of_server)?;
        let info: String =
            redis::from_redis_value(info).map_err(|error| of_server(error.into()))?;
        let expected_mode = if self.is_cluster() { "cluster" } else { "standalone" };
        match field(&info, "redis_mode:") {
            Some(mode) if mode != expected_mode => {
                return Err(ConnectError::Mode { mode: mode.to_owned() });
            }
            _ => {}
        }
        let minimum = if self.is_cluster() { MIN_VERSION_OF_CLUSTER } else { MIN_VERSION };
        match version(&info) {
            Some(version) if version < minimum => Err(ConnectError::TooOld { version, minimum }),
            _ => Ok(()),
        }
    }

    /// Connects to a server that a primary has named.
    pub(super) async fn connect_to(&self, address: &Address) -> RedisResult<Connection> {
        self.connector.connect(address, |_| {}).await
    }

    /// Returns the primaries, and the connection to the sentinel that has named one.
    async fn find(&self) -> Result<(Primaries, Option<Connection>), ServerError> {
        match &self.deployment {
            Deployment::Single(address) => Ok((Primaries::single(address.clone()), None)),
            Deployment::Sentinel(sentinels) => {
                let (primary, sentinel) = sentinels.find().await?;
                Ok((Primaries::single(primary), Some(sentinel)))
            }
            Deployment::Cluster(cluster) => Ok((cluster.find(&self.connector).await?, None)),
        }
    }

    /// Makes the connections of a link, and subscribes to the messages for a node.
    pub(super) async fn link(
        &self,
        node: NodeId,
        keys: &Arc<Keys>,
        readers: usize,
    ) -> Result<Connections, BoxedError> {
        let (primaries, sentinel) = self.find().await?;
        let linked = self.link_to(&primaries, node, keys, readers).await;
        let mut connections = linked.inspect_err(|_| match &self.deployment {
            Deployment::Single(_) => {}
            Deployment::Sentinel(sentinels) => sentinels.begin_with_next(),
            Deployment::Cluster(cluster) => cluster.begin_with_next(),
        })?;
        if let (Deployment::Sentinel(sentinels), Some(sentinel)) = (&self.deployment, sentinel) {
            let (sentinels, state) = (sentinels.clone(), connections.state.clone());
            let primary = primaries.addresses[0].clone();
            connections.checks.push(AbortOnDrop::spawn(async move {
                sentinels.until_other_primary(&primary, sentinel).await;
                state.report(State::Moved);
            }));
        }
        Ok(connections)
    }

    async fn link_to(
        &self,
        primaries: &Primaries,
        node: NodeId,
        keys: &Arc<Keys>,
        readers: usize,
    ) -> Result<Connections, BoxedError> {
        let state = Arc::new(StateSender::new());
        let mut connections = Connections::new(primaries.of_partition.clone(), state.clone());
        let proof = match self.deployment {
            Deployment::Single(_) => Proof::None,
            Deployment::Sentinel(_) => Proof::Role,
            Deployment::Cluster(_) => Proof::Check,
        };
        let mut connecting = JoinSet::new();
        for (number, address) in primaries.addresses.iter().enumerate() {
            // Each primary has a partition.
            let partition = primaries.partition_of(number).expect("a partition of the primary");
            let outlet = |_| Arc::new(Outlet::new(node, keys.clone(), state.clone()));
            let primary = Primary {
                address: address.clone(),
                connector: self.connector.clone(),
                proof,
                check: keys.check(partition),
                outlets: (0..readers).map(outlet).collect(),
                state: state.clone(),
            };
            connecting.spawn(async move { (number, primary.connect().await) });
        }
        let mut connected = Vec::new();
        while let Some(primary) = connecting.join_next().await {
            let (number, primary) = primary?;
            connected.push((number, primary?));
        }
        connected.sort_by_key(|(number, _)| *number);
        for (_, primary) in connected {
            connections.add(primary);
        }
        let channels = keys.partitions_of_messages().flat_map(|partition| {
            [None, Some(node)].map(|to| (partition, keys.messages(partition, to)))
        });
        connections.for_each_channel(keys.subscribe(), channels).await?;
        Ok(connections)
    }
}

/// Returns the value of a field in the reply to `INFO`.
fn field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Returns the version of Redis, or of the Redis that a fork is compatible with.
fn version(info: &str) -> Option<(u32, u32)> {
    let mut numbers = field(info, "redis_version:")?.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found() {
        let info = "# Server\r\nredis_version:7.0.15\r\nredis_mode:cluster\r\nos:Linux\r\n";
        assert_eq!(version(info), Some((7, 0)));
        assert_eq!(field(info, "redis_mode:"), Some("cluster"));
        assert_eq!(version("# Server\r\n"), None);
    }
}
