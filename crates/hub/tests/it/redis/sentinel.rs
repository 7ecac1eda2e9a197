//! A primary and its replica, which a sentinel of a test looks after.

use std::path::Path;

use crate::redis::cluster::until;
use crate::redis::server::Server;

pub(crate) struct Watched {
    /// The first primary, and its replica.
    pub(crate) servers: [Server; 2],
    pub(crate) sentinel: Server,
}

impl Watched {
    /// Starts all three; returns `None` if Redis is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let primary = Server::start().await?;
        let port = primary.port;
        let replica = Server::start_with(|_: &Path| {
            ["--replicaof", "127.0.0.1", &port.to_string()].map(str::to_owned).into()
        });
        let replica = replica.await?;
        until(|| primary.is_replicated()).await;
        let sentinel = Server::start_with(|folder| {
            let file = folder.join("sentinel.conf");
            let lines = [
                format!("sentinel monitor hub 127.0.0.1 {port} 1"),
                "sentinel down-after-milliseconds hub 1000".to_owned(),
                "sentinel failover-timeout hub 3000".to_owned(),
            ];
            std::fs::write(&file, lines.join("\n") + "\n").unwrap();
            vec![file.to_str().unwrap().to_owned(), "--sentinel".to_owned()]
        });
        let sentinel = sentinel.await?;
        until(|| async {
            let info = sentinel.command::<String>("INFO sentinel").await;
            info.contains("status=ok") && info.contains("slaves=1")
        })
        .await;
        Some(Self { servers: [primary, replica], sentinel })
    }

    /// Returns the URL with a sentinel that does not exist before the one that does.
    pub(crate) fn url(&self) -> String {
        format!("redis+sentinel://127.0.0.1:1,127.0.0.1:{}/hub", self.sentinel.port)
    }

    /// Waits until the replica has received everything.
    pub(crate) async fn until_replicated(&self) {
        until(|| self.servers[0].is_replicated()).await;
    }

    /// Makes the replica the primary by command, once the sentinel knows that it can be.
    pub(crate) async fn fail_over(&self) {
        until(|| async {
            let mut command = redis::cmd("SENTINEL");
            command.arg("FAILOVER").arg("hub");
            let connection = &mut self.sentinel.connection().await;
            command.query_async::<String>(connection).await.is_ok()
        })
        .await;
    }

    /// Waits until the replica has become the primary.
    pub(crate) async fn until_replica_is_primary(&self) {
        until(|| async {
            let info = self.servers[1].try_command::<String>("INFO replication").await;
            info.is_ok_and(|info| info.contains("role:master"))
        })
        .await;
    }
}
