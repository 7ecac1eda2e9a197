//! The example `several-nodes.sh` of sockeye-hub starts nodes that are one hub, and stops them.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::browser::missing;

/// The exit code of the script if the broker or curl is not installed.
const NOT_FOUND: i32 = 3;

fn script(arguments: &[&str]) -> Command {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hub/examples/several-nodes.sh");
    // A shell cannot handle a signal that it was started without.
    let mut command = Command::new("env");
    command.arg("--default-signal=INT").arg(path).args(arguments).stdin(Stdio::null());
    command.env("SOCKEYE", env!("CARGO_BIN_EXE_sockeye")).env_remove("RUST_LOG");
    command
}

/// A running script, stopped when dropped.
struct Running(Child);

impl Running {
    fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &id]).status().unwrap().success());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            self.signal("TERM");
            let _ = self.0.wait();
        }
    }
}

/// Asserts that nobody listens at the addresses that the script has printed.
fn assert_stopped(output: &str) {
    let addresses = output.lines().filter_map(|line| {
        let (_, address) = line.split_once("://")?;
        line.starts_with("node ").then(|| address.trim_end_matches('/'))
    });
    let addresses: Vec<_> = addresses.collect();
    assert_eq!(addresses.len(), 3, "{output}");
    for address in addresses {
        assert!(TcpStream::connect(address).is_err(), "{address} still listens");
    }
}

fn a_message_crosses(broker: &str) {
    let output = script(&[broker, "--once"]).output().unwrap();
    if output.status.code() == Some(NOT_FOUND) {
        return missing(&format!("{broker}-server or curl"), "ci/peers.sh installs them");
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    let output = String::from_utf8(output.stdout).unwrap();
    let (_, read) = output.split_once("node 3 reads ").expect("a message that was read");
    assert!(read.contains("hello from node 1"), "{output}");
    assert_stopped(&output);
}

#[cfg(feature = "redis")]
#[test]
fn over_redis() {
    a_message_crosses("redis");
}

#[cfg(feature = "nats")]
#[test]
fn over_nats() {
    a_message_crosses("nats");
}

#[cfg(feature = "redis")]
#[test]
fn and_stops_them_on_ctrl_c() {
    let mut running = Running(script(&["redis"]).stdout(Stdio::piped()).spawn().unwrap());
    let mut output = String::new();
    let mut lines = BufReader::new(running.0.stdout.take().unwrap());
    while lines.read_line(&mut output).unwrap() > 0 {
        if output.contains("Ctrl+C stops all nodes") {
            running.signal("INT");
        }
    }
    let status = running.0.wait().unwrap();
    if status.code() == Some(NOT_FOUND) {
        return missing("redis-server or curl", "ci/peers.sh installs them");
    }
    assert_eq!(status.code(), Some(130), "{output}");
    assert_stopped(&output);
}
