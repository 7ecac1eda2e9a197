//! Foreign WebSocket implementations: finds, starts and controls them.

#![allow(dead_code, reason = "each test file uses its own part of this module")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

pub(crate) mod conversation;
pub(crate) mod pairing;
pub(crate) mod parameters;

use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// Timeout of a whole test, which takes seconds unless something hangs.
const DEADLINE: Duration = Duration::from_secs(110);

/// Timeout of a test with every combination of parameters, of which it has hundreds.
const DEADLINE_OF_ALL: Duration = Duration::from_secs(900);

/// Runs a test, which fails instead of hanging.
pub(crate) async fn within_deadline<T>(test: impl Future<Output = T>) -> T {
    let deadline = if parameters::are_all_combined() { DEADLINE_OF_ALL } else { DEADLINE };
    timeout(deadline, test).await.expect("the test ends in time")
}

/// Reports that a test is skipped because `peer` is missing. With `SOCKEYE_REQUIRE_PEERS=1` that is
/// a failure.
pub(crate) fn miss(peer: &str) {
    let required = std::env::var("SOCKEYE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
    assert!(!required, "{peer} is missing: run ci/peers.sh");
    eprintln!("skipped: {peer} is missing, ci/peers.sh installs it");
}

/// Returns the first of these programs that is in the search path.
pub(crate) fn find_program(names: &[&'static str]) -> Option<&'static str> {
    let path = std::env::var_os("PATH")?;
    let is_there = |name: &&str| std::env::split_paths(&path).any(|dir| dir.join(name).is_file());
    names.iter().copied().find(is_there)
}

/// A running program of the folder `tests/peers`: it reads orders and writes reports, each a line
/// of JSON.
#[derive(Debug)]
pub(crate) struct Peer {
    program: &'static str,
    child: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Peer {
    /// Starts a program, which ends with the `Peer`. Returns `None` if its dependencies are
    /// missing.
    pub(crate) fn start(program: &'static str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let installed = root.join("target/peers");
        let modules = installed.join("node/node_modules");
        let interpreter = if Path::new(program).extension().is_some_and(|kind| kind == "py") {
            let python = installed.join("venv/bin/python");
            if !python.is_file() {
                miss("Python `websockets`");
                return None;
            }
            python
        } else {
            if !modules.join("ws").is_dir() || find_program(&["node"]).is_none() {
                miss("npm `ws`");
                return None;
            }
            PathBuf::from("node")
        };
        let mut child = Command::new(interpreter)
            .arg(root.join("tests/peers").join(program))
            .env("NODE_PATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let reports = BufReader::new(child.stdout.take().unwrap()).lines();
        Some(Self { program, child, orders, reports })
    }

    /// Sends an order and waits for the answer. Skips unexpected reports of closed connections.
    pub(crate) async fn ask(&mut self, order: &Value) -> Value {
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        loop {
            let report = self.report().await;
            if report.get("closed").is_none() {
                return report;
            }
        }
    }

    /// Waits for a server's report that its connection is closed.
    pub(crate) async fn closed(&mut self, port: u64) -> Value {
        loop {
            let report = self.report().await;
            if report["closed"] == port {
                return report;
            }
        }
    }

    /// Ends the program, which must exit with success.
    pub(crate) async fn stop(mut self) {
        drop(self.orders);
        while self.reports.next_line().await.unwrap().is_some() {}
        let status = self.child.wait().await.unwrap();
        assert!(status.success(), "{} ended with {status}", self.program);
    }

    async fn report(&mut self) -> Value {
        let line = self.reports.next_line().await.unwrap();
        let line = line.unwrap_or_else(|| panic!("{} ended early", self.program));
        serde_json::from_str(&line).unwrap()
    }
}
