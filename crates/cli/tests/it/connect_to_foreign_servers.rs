//! `sockeye connect` to Python `websockets` and npm `ws`. Without these peers, which `ci/peers.sh`
//! installs, the tests are skipped, or fail with `SOCKEYE_REQUIRE_PEERS=1`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use crate::program::connect::{ended_with, run_with};

/// An echo server of another implementation, killed when dropped.
struct Foreign {
    child: Child,
    // The program ends without its pipes.
    _orders: ChildStdin,
    _reports: BufReader<ChildStdout>,
    url: String,
}

impl Foreign {
    /// Starts a program of `tests/peers`; `None` if it is not installed.
    fn start(interpreter: &str, program: &str) -> Option<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let peers = root.join("target/peers");
        let python = peers.join("venv/bin/python");
        let modules = peers.join("node/node_modules");
        let (interpreter, needed) = match interpreter {
            "python" => (python.clone(), python),
            _ => ("node".into(), modules.join("ws")),
        };
        if !needed.exists() {
            let required = std::env::var("SOCKEYE_REQUIRE_PEERS").is_ok_and(|value| value == "1");
            assert!(!required, "{} is missing: run ci/peers.sh", needed.display());
            eprintln!("skipped: {} is missing, ci/peers.sh installs it", needed.display());
            return None;
        }
        let mut child = Command::new(interpreter)
            .arg(root.join("tests/peers").join(program))
            .env("NODE_PATH", modules)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut orders = child.stdin.take().unwrap();
        orders.write_all(b"{\"deflate\": {}}\n").unwrap();
        let mut reports = BufReader::new(child.stdout.take().unwrap());
        let mut report = String::new();
        reports.read_line(&mut report).unwrap();
        let report: serde_json::Value = serde_json::from_str(&report).unwrap();
        let url = format!("ws://127.0.0.1:{}", report["port"]);
        Some(Self { child, _orders: orders, _reports: reports, url })
    }
}

impl Drop for Foreign {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn talks_to(interpreter: &str, program: &str) {
    let Some(server) = Foreign::start(interpreter, program) else { return };
    let long = "salmon ".repeat(100_000);
    let input = format!("one\nGrüße\n{long}\n");
    for arguments in [&[][..], &["--compressed"], &["--fragment", "1000"]] {
        let arguments = [&[server.url.as_str(), "-s", "fish"], arguments].concat();
        let (stdout, stderr) = ended_with(0, &run_with(input.as_bytes(), &arguments));
        assert!(stdout == input, "{} bytes came back; {stderr}", stdout.len());
    }
    let bye = format!("{}/bye", server.url);
    let (_, stderr) = ended_with(9, &run_with(b"", &[&bye, "-s", "fish", "--on-eof", "stay"]));
    assert!(stderr.contains("4001: bye, 鮭"), "{stderr}");
}

#[test]
fn python_websockets_answers() {
    talks_to("python", "websockets_server.py");
}

#[test]
fn npm_ws_answers() {
    talks_to("node", "ws_server.cjs");
}
