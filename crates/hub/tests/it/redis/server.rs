//! A redis-server of a test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, RedisResult};
use sockeye_hub::bus::redis::{Redis, RedisOptions};
use tokio::process::{Child, Command};

/// The time for a command of a test on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(30);

static SERVERS: AtomicUsize = AtomicUsize::new(0);

/// A redis-server with a folder of its own, which both end with the test.
pub(crate) struct Server {
    folder: PathBuf,
    pub(crate) port: u16,
    arguments: Vec<String>,
    process: Child,
}

impl Server {
    /// Starts a server on a free port; returns `None` if it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new()).await
    }

    /// Starts a server with the arguments that are returned for its folder.
    pub(crate) async fn start_with(arguments: impl Fn(&Path) -> Vec<String>) -> Option<Self> {
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-hub-redis-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        // Another process may take a port before the server does: it is tried again then.
        for _ in 0..10 {
            let port = free_port();
            let arguments = arguments(&folder);
            let Ok(process) = spawn(port, &folder, &arguments) else {
                let required =
                    std::env::var("SOCKEYE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
                assert!(!required, "redis-server is missing: run ci/peers.sh");
                eprintln!("skipped: redis-server is missing, ci/peers.sh installs it");
                return None;
            };
            let mut server = Self { folder: folder.clone(), port, arguments, process };
            if server.is_ready().await {
                return Some(server);
            }
            // The folder is needed for the next attempt.
            server.folder = PathBuf::new();
        }
        panic!("redis-server does not start");
    }

    async fn is_ready(&mut self) -> bool {
        loop {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            if let Ok(mut connection) = self.connect().await {
                let pong = redis::cmd("PING").query_async::<String>(&mut connection).await;
                if pong.is_ok() {
                    return true;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(TIMEOUT));
        let config = config.set_connection_timeout(Some(TIMEOUT));
        let client = Client::open(self.url()).unwrap();
        client.get_multiplexed_async_connection_with_config(&config).await
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Returns the link of one more node.
    pub(crate) async fn link(&self) -> Redis {
        Redis::connect(&self.url()).await.unwrap()
    }

    /// Returns the links of some more nodes.
    pub(crate) async fn links(&self, count: usize) -> Vec<Redis> {
        let mut links = Vec::new();
        for _ in 0..count {
            links.push(self.link().await);
        }
        links
    }

    pub(crate) async fn link_with(&self, options: RedisOptions) -> Redis {
        Redis::connect_with(&self.url(), options).await.unwrap()
    }

    pub(crate) async fn connection(&self) -> MultiplexedConnection {
        self.connect().await.unwrap()
    }

    /// Carries out a command, given as words.
    pub(crate) async fn command<T: FromRedisValue>(&self, words: &str) -> T {
        self.try_command(words).await.unwrap()
    }

    /// Carries out a command of a server that may end the connection, as at a failover.
    pub(crate) async fn try_command<T: FromRedisValue>(&self, words: &str) -> RedisResult<T> {
        let mut words = words.split(' ');
        let mut command = redis::cmd(words.next().unwrap());
        words.for_each(|word| {
            command.arg(word);
        });
        command.query_async(&mut self.connect().await?).await
    }

    /// Returns whether the server's replica has received everything. A new one receives nothing
    /// before it has acknowledged its first state, for up to a second.
    pub(crate) async fn is_replicated(&self) -> bool {
        let info = self.command::<String>("INFO replication").await;
        let offset = info.lines().find_map(|line| line.strip_prefix("master_repl_offset:"));
        let received = format!("state=online,offset={},", offset.unwrap());
        info.lines().any(|line| line.starts_with("slave0:") && line.contains(&received))
    }

    /// Ends the connections of all clients.
    pub(crate) async fn end_connections(&self) {
        let connection = &mut self.connection().await;
        for kind in ["normal", "pubsub"] {
            let mut kill = redis::cmd("CLIENT");
            kill.arg("KILL").arg("TYPE").arg(kind);
            kill.query_async::<i64>(connection).await.unwrap();
        }
    }

    /// Kills the server without warning.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts the killed server again, with what it has saved.
    pub(crate) async fn restart(&mut self) {
        self.process = spawn(self.port, &self.folder, &self.arguments).unwrap();
        assert!(self.is_ready().await, "redis-server does not start again");
    }

    /// Stops the server, which keeps its connections and does not answer, or lets it go on.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().unwrap();
        let kill = std::process::Command::new("sh")
            .args(["-c", &format!("kill -{name} {id}")])
            .status()
            .unwrap();
        assert!(kill.success());
    }
}

pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts a server. A sentinel's first argument is the file with its configuration.
fn spawn(port: u16, folder: &Path, arguments: &[String]) -> std::io::Result<Child> {
    let mut command = Command::new("redis-server");
    let port = port.to_string();
    if arguments.last().is_some_and(|last| last == "--sentinel") {
        command.args(arguments).args(["--bind", "127.0.0.1", "--port", &port]);
    } else {
        command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port]);
        // A primary would wait for further replicas for 5 s.
        command.args(["--repl-diskless-sync-delay", "0"]);
        command.args(arguments);
    }
    command
        .arg("--dir")
        .arg(folder)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        if self.folder.parent().is_some() {
            let _ = std::fs::remove_dir_all(&self.folder);
        }
    }
}
