//! Programs of the folder `tests/peers` that use an SDK of centrifuge.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};

/// A running program, which ends with the `Sdk`.
pub(crate) struct Sdk {
    name: String,
    _child: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
    events: VecDeque<Value>,
    next_id: u64,
}

impl Sdk {
    /// Starts a program with an encoding. Returns `None` if its dependencies are missing, which
    /// fails the test with `SOCKEYE_REQUIRE_PEERS=1`.
    pub(crate) fn start(program: &str, encoding: &str, url: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let installed = root.join("target/peers");
        let modules = installed.join("node/node_modules");
        let is_python = Path::new(program).extension().is_some_and(|kind| kind == "py");
        let browser = ["chromium", "chromium-browser", "google-chrome"].into_iter().find_map(find);
        let is_there = if is_python {
            let lib = installed.join("venv/lib");
            let mut versions = std::fs::read_dir(lib).into_iter().flatten().flatten();
            versions.any(|version| version.path().join("site-packages/centrifuge").is_dir())
        } else {
            let browser = browser.is_some() && modules.join("playwright-core").is_dir();
            modules.join("centrifuge").is_dir() && (browser || !program.contains("browser"))
        };
        if !is_there {
            let required = std::env::var("SOCKEYE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
            assert!(!required, "the SDK of {program} is missing: run ci/peers.sh");
            eprintln!("skipped: the SDK of {program} is missing, ci/peers.sh installs it");
            return None;
        }
        let interpreter = if is_python { installed.join("venv/bin/python") } else { "node".into() };
        let mut child = Command::new(interpreter)
            .arg(root.join("tests/peers").join(program))
            .args([url, encoding])
            .env("NODE_PATH", modules.canonicalize().unwrap_or(modules))
            .env("BROWSER", browser.unwrap_or_default())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let reports = BufReader::new(child.stdout.take().unwrap()).lines();
        let name = format!("{program} in {encoding}");
        Some(Self { name, _child: child, orders, reports, events: VecDeque::new(), next_id: 1 })
    }

    /// Sends an order, and returns the answer.
    pub(crate) async fn order(&mut self, action: &str, mut order: Value) -> Value {
        let id = self.next_id;
        self.next_id += 1;
        (order["id"], order["do"]) = (json!(id), json!(action));
        self.orders.write_all(format!("{order}\n").as_bytes()).await.unwrap();
        loop {
            let report = self.report().await;
            if report["id"] == id {
                return report;
            }
            self.events.push_back(report);
        }
    }

    /// Sends an order, and returns its result.
    pub(crate) async fn ask(&mut self, action: &str, order: Value) -> Value {
        let answer = self.order(action, order).await;
        assert!(answer.get("error").is_none(), "{}: {action}: {answer}", self.name);
        answer["result"].clone()
    }

    /// Returns the next event with a name; drops those before it.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let event = match self.events.pop_front() {
                Some(event) => event,
                None => self.report().await,
            };
            if event["event"] == name {
                return event;
            }
        }
    }

    /// Returns the data of the next publications.
    pub(crate) async fn publications(&mut self, count: usize) -> Vec<Value> {
        let mut data = Vec::new();
        while data.len() < count {
            data.push(self.event("publication").await["data"].clone());
        }
        data
    }

    /// Returns the events that have not been returned, after everything that is on its way.
    pub(crate) async fn rest(&mut self) -> Vec<Value> {
        self.ask("rpc", json!({ "method": "echo", "data": 1 })).await;
        self.events.drain(..).collect()
    }

    async fn report(&mut self) -> Value {
        let line = tokio::time::timeout(Duration::from_secs(30), self.reports.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("{} is silent", self.name)).unwrap();
        let line = line.unwrap_or_else(|| panic!("{} ended early", self.name));
        serde_json::from_str(&line).unwrap()
    }
}

/// Returns the path of a program.
fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|path| path.is_file())
}
