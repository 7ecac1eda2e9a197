//! Brokers of tests, each with a folder of its own, which end with the test.

use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::browser;

static BROKERS: AtomicUsize = AtomicUsize::new(0);

/// The paths of Debian's nats-server, and its name for other systems.
pub(crate) const NATS: [&str; 3] = ["/usr/sbin/nats-server", "/usr/bin/nats-server", "nats-server"];

/// A running broker.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) url: String,
    process: Child,
    folder: PathBuf,
}

impl Broker {
    /// Starts a redis-server; returns `None` if it is not installed.
    pub(crate) fn redis() -> Option<Self> {
        Self::start("redis", &["redis-server"], |port, folder| {
            let flags = ["--bind", "127.0.0.1", "--save", "", "--port", port, "--dir", folder];
            flags.map(str::to_owned).into()
        })
    }

    /// Starts a nats-server with `JetStream`; returns `None` if it is not installed.
    pub(crate) fn nats() -> Option<Self> {
        Self::start("nats", &NATS, |port, folder| {
            ["-a", "127.0.0.1", "-p", port, "-js", "-sd", folder].map(str::to_owned).into()
        })
    }

    /// Starts a nats-server without `JetStream`; returns `None` if it is not installed.
    pub(crate) fn nats_without_jetstream() -> Option<Self> {
        Self::start("nats", &NATS, |port, _| {
            ["-a", "127.0.0.1", "-p", port].map(str::to_owned).into()
        })
    }

    fn start(
        scheme: &str,
        programs: &[&str],
        flags: impl Fn(&str, &str) -> Vec<String>,
    ) -> Option<Self> {
        let number = BROKERS.fetch_add(1, Ordering::Relaxed);
        let name = format!("sockeye-cli-{scheme}-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        // Another process may take the port before the broker does: then it is tried again.
        for _ in 0..10 {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap();
            drop(listener);
            let flags = flags(&address.port().to_string(), folder.to_str().unwrap());
            let spawn = |program: &&str| {
                let mut command = Command::new(program);
                command.args(&flags).stdin(Stdio::null());
                command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().ok()
            };
            let Some(process) = programs.iter().find_map(spawn) else {
                browser::missing(programs[0], "ci/peers.sh installs it");
                return None;
            };
            let url = format!("{scheme}://{address}");
            let mut broker = Self { url, process, folder: folder.clone() };
            while broker.process.try_wait().unwrap().is_none() {
                if TcpStream::connect(address).is_ok() {
                    return Some(broker);
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
        panic!("{scheme} does not start");
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
