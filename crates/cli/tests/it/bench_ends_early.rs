//! `sockeye bench` that is ended early has the result of the time so far.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::program;
use crate::program::terminal::Terminal;

fn bench(server: &program::Server, arguments: &[&str]) -> Command {
    let url = format!("ws://{}/echo", server.address);
    let mut command = program::sockeye(&["bench", &url, "-c", "2", "--rate", "200"]);
    command.args(["--duration", "10m"]).args(arguments);
    command
}

#[test]
fn ctrl_c_prints_the_result_so_far() {
    let server = program::Server::start(&[]);
    let file = std::env::temp_dir().join(format!("sockeye-bench-early-{}", std::process::id()));
    let mut child = bench(&server, &["--json", file.to_str().unwrap()])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap());
    progress.read_line(&mut String::new()).unwrap();
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let rest: Vec<_> = progress.lines().map(Result::unwrap).collect();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{rest:?}");
    assert_eq!(rest.last().map(String::as_str), Some("sockeye: interrupted"));
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(printed.contains("response time") && printed.contains(" 0 timed out"), "{printed}");
    let result: Value = serde_json::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    let number = |name: &str| result[name].as_f64().unwrap();
    assert!((1.0..60.0).contains(&number("duration_s")), "{result:#}");
    assert_eq!(result["due"], result["answered"]);
}

#[test]
fn keys_change_the_statistics_and_end_the_test() {
    let server = program::Server::start(&[]);
    let mut terminal = Terminal::start(bench(&server, &[]));
    terminal.wait_for("last 1 s (+ -)");
    terminal.wait_for("in flight");
    terminal.wait_for("response time");
    terminal.enter("+");
    terminal.wait_for("last 5 s (+ -)");
    terminal.enter("q");
    // The rate until then may differ from 200 by a message.
    terminal.wait_for("offered ");
    terminal.wait_for("interrupted");
    assert_eq!(terminal.end(), Some(130));
}

#[test]
fn the_panes_fit_the_terminal() {
    let server = program::Server::start(&[]);
    for (columns, rows) in [(50, 24), (30, 10)] {
        let mut terminal = Terminal::start_as("xterm", (columns, rows), bench(&server, &[]));
        // Nothing is left of longer lines, nor of more rows.
        terminal.wait_for("counted  [");
        terminal.wait_for("\x1b[?7h");
        let mut drawn = terminal.written().split("\x1b[?7l");
        let panes = drawn.find(|panes| panes.contains("counted  [")).unwrap();
        let panes = panes.split("\x1b[?7h").next().unwrap();
        let widest = panes.lines().map(|line| line.chars().count()).max();
        assert!(widest <= Some(usize::from(columns)), "{panes}");
        assert!(panes.lines().count() < usize::from(rows), "{panes}");
        assert_eq!(panes.contains("response time"), rows == 24, "{panes}");
        assert!(panes.contains("at most"), "{panes}");
        terminal.enter("q");
        terminal.wait_for("interrupted");
        assert_eq!(terminal.end(), Some(130));
    }
}
