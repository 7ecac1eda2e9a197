//! A cluster of redis-servers of a test.

use std::time::Duration;

use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;

use crate::redis::server::{Server, free_port};

/// The number of primaries, which have all slots.
const PRIMARIES: usize = 3;
const SLOTS: usize = 16_384;

pub(crate) struct Cluster {
    /// The primaries, and servers that can become replicas.
    pub(crate) servers: Vec<Server>,
}

impl Cluster {
    /// Starts three primaries and some servers without slots; returns `None` if Redis is not
    /// installed. A server counts as failed after `timeout`.
    pub(crate) async fn start(others: usize, timeout: Duration) -> Option<Self> {
        let timeout = timeout.as_millis().to_string();
        let mut servers = Vec::new();
        for _ in 0..PRIMARIES + others {
            let arguments = |_: &std::path::Path| {
                let bus = free_port().to_string();
                ["--cluster-enabled", "yes", "--cluster-port", &bus, "--cluster-node-timeout"]
                    .into_iter()
                    .chain([&*timeout])
                    .map(str::to_owned)
                    .collect()
            };
            servers.push(Server::start_with(arguments).await?);
        }
        let cluster = Self { servers };
        for (number, server) in cluster.servers.iter().enumerate() {
            let set = format!("CLUSTER SET-CONFIG-EPOCH {}", number + 1);
            server.command::<String>(&set).await;
            if number < PRIMARIES {
                let first = SLOTS * number / PRIMARIES;
                let last = SLOTS * (number + 1) / PRIMARIES - 1;
                let add = format!("CLUSTER ADDSLOTSRANGE {first} {last}");
                server.command::<String>(&add).await;
            }
            if number > 0 {
                let bus = server.command::<Vec<String>>("CONFIG GET cluster-port").await;
                let meet = format!("CLUSTER MEET 127.0.0.1 {} {}", server.port, bus[1]);
                cluster.servers[0].command::<String>(&meet).await;
            }
        }
        let known = format!("cluster_known_nodes:{}\r", cluster.servers.len());
        for server in &cluster.servers {
            until(|| async {
                let info = server.command::<String>("CLUSTER INFO").await;
                info.contains("cluster_state:ok\r") && info.contains(&known)
            })
            .await;
        }
        Some(cluster)
    }

    /// Returns a URL with some of the servers: the first does not exist.
    pub(crate) fn url(&self) -> String {
        let ports = [1, self.servers[1].port, self.servers[0].port];
        format!("redis+cluster://{}", ports.map(|port| format!("127.0.0.1:{port}")).join(","))
    }

    /// Ends the connections of all clients at the same time.
    pub(crate) async fn end_connections(&self) {
        let mut connections = Vec::new();
        for server in &self.servers {
            connections.push(server.connection().await);
        }
        let mut ending = tokio::task::JoinSet::new();
        for mut connection in connections {
            ending.spawn(async move {
                for kind in ["normal", "pubsub"] {
                    let mut kill = redis::cmd("CLIENT");
                    kill.arg("KILL").arg("TYPE").arg(kind);
                    kill.query_async::<i64>(&mut connection).await.unwrap();
                }
            });
        }
        while let Some(ended) = ending.join_next().await {
            ended.unwrap();
        }
    }

    /// Returns the number of the server that has the keys of a room as its primary.
    pub(crate) async fn primary_of(&self, room: &str) -> usize {
        for (number, server) in self.servers.iter().enumerate() {
            let keys = server.command::<Vec<String>>(&format!("KEYS *m:{room}")).await;
            if !keys.is_empty() {
                return number;
            }
        }
        panic!("no server has {room}");
    }

    pub(crate) async fn id(&self, server: usize) -> String {
        self.servers[server].command("CLUSTER MYID").await
    }

    /// Makes a server a replica of another one.
    pub(crate) async fn replicate(&self, replica: usize, primary: usize) {
        let id = self.id(primary).await;
        let replica = &self.servers[replica];
        replica.command::<String>(&format!("CLUSTER REPLICATE {id}")).await;
        until(|| self.servers[primary].is_replicated()).await;
        // The others vote only for what they know as a replica.
        for server in &self.servers {
            until(|| async {
                let nodes = server.command::<String>("CLUSTER NODES").await;
                nodes.contains(&format!("slave {id}"))
            })
            .await;
        }
    }

    /// Moves a slot with its keys from one server to another.
    pub(crate) async fn move_slot(&self, slot: u16, from: usize, to: usize) {
        self.move_keys(slot, from, to).await;
        self.end_move(slot, from, to).await;
    }

    /// Moves the keys of a slot from one server to another. The slot stays until
    /// [`end_move`](Self::end_move).
    pub(crate) async fn move_keys(&self, slot: u16, from: usize, to: usize) {
        let (from_id, to_id) = (self.id(from).await, self.id(to).await);
        let (source, target) = (&self.servers[from], &self.servers[to]);
        let importing = format!("CLUSTER SETSLOT {slot} IMPORTING {from_id}");
        target.command::<String>(&importing).await;
        let migrating = format!("CLUSTER SETSLOT {slot} MIGRATING {to_id}");
        source.command::<String>(&migrating).await;
        let connection = &mut source.connection().await;
        loop {
            let keys: Vec<String> =
                command(connection, &format!("CLUSTER GETKEYSINSLOT {slot} 10")).await;
            if keys.is_empty() {
                break;
            }
            let mut migrate = redis::cmd("MIGRATE");
            migrate.arg("127.0.0.1").arg(target.port).arg("").arg(0).arg(5_000).arg("KEYS");
            migrate.arg(keys);
            migrate.query_async::<String>(connection).await.unwrap();
        }
    }

    /// Ends the move of a slot, whose keys were moved.
    pub(crate) async fn end_move(&self, slot: u16, from: usize, to: usize) {
        let moved = format!("CLUSTER SETSLOT {slot} NODE {}", self.id(to).await);
        for server in [&self.servers[to], &self.servers[from]] {
            server.command::<String>(&moved).await;
        }
    }

    /// Returns the slot of the keys of a room.
    pub(crate) async fn slot_of(&self, room: &str) -> u16 {
        let server = &self.servers[self.primary_of(room).await];
        let keys = server.command::<Vec<String>>(&format!("KEYS *m:{room}")).await;
        server.command(&format!("CLUSTER KEYSLOT {}", keys[0])).await
    }
}

async fn command<T: FromRedisValue>(connection: &mut MultiplexedConnection, words: &str) -> T {
    let mut words = words.split(' ');
    let mut command = redis::cmd(words.next().unwrap());
    words.for_each(|word| {
        command.arg(word);
    });
    command.query_async(connection).await.unwrap()
}

/// Waits for a condition.
pub(crate) async fn until<F: Future<Output = bool>>(condition: impl Fn() -> F) {
    let waiting = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.expect("within a minute");
}
