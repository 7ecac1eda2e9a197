//! Input that was on its way when a connection was lost is sent again, and reaches the terminal
//! once: offsets and acknowledgements of sockeye.tty.v1.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Write as _;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::program::exec::{Viewer, client, script, start};

/// Attaches again after the connection was lost without a close frame.
async fn again(server: &crate::program::Server, viewer: Viewer) -> Viewer {
    let resuming = viewer.resuming();
    drop(viewer.ws);
    Viewer::attach(client(server), resuming).await.unwrap()
}

async fn wait_until_written(viewer: &mut Viewer) {
    while viewer.written < viewer.input {
        assert!(viewer.receive().await);
    }
}

#[tokio::test]
async fn input_is_acknowledged_once_the_terminal_has_it() {
    let server = start(&["--pty"], &["cat"]);
    let mut viewer = Viewer::open(&server).await;
    viewer.enter("one\r").await;
    wait_until_written(&mut viewer).await;
    assert_eq!(viewer.written, 4);
    viewer.wait_for("one\none").await;

    let keyboard = viewer.session["keyboard"].clone();
    let mut viewer = again(&server, viewer).await;
    assert_eq!((&viewer.session["keyboard"], &viewer.session["input"]), (&keyboard, &json!(4)));
    // The client does not know that the terminal has the first line.
    viewer.enter_at(0, b"one\rtwo\r").await;
    viewer.enter_at(6, b"o\rthree\r").await;
    while viewer.contents().matches("three").count() < 2 {
        assert!(viewer.receive().await);
    }
    let contents = viewer.contents();
    assert_eq!(contents.matches("two").count(), 2, "its echo and cat's: {contents}");
    assert!(!contents.contains("one"), "it was shown before, and is not taken again: {contents}");
}

#[tokio::test]
async fn a_long_input_arrives_whole_through_many_lost_connections() {
    const LENGTH: usize = 300_000;
    let input: Vec<u8> =
        (0..LENGTH).map(|index| b'0' + u8::try_from(index % 71).unwrap()).collect();
    let sum = format!("stty raw -echo; echo ready; head -c {LENGTH} | cksum; cat");
    let server = script(&["--pty"], &sum);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("ready").await;
    let mut connections = 0;
    while viewer.session["input"] != json!(LENGTH) {
        let from = usize::try_from(viewer.session["input"].as_u64().unwrap()).unwrap();
        let to = (from + 20_000 + 777 * connections).min(LENGTH);
        for start in (from..to).step_by(1500) {
            viewer.enter_at(start as u64, &input[start..(start + 1500).min(to)]).await;
        }
        // Some connections are lost before anything is acknowledged, some later.
        let least = if connections % 2 == 0 { from + 1 } else { 0 };
        while viewer.written < least as u64 {
            assert!(viewer.receive().await);
        }
        viewer = again(&server, viewer).await;
        connections += 1;
    }
    assert!(connections > 5, "{connections}");
    viewer.wait_for(&format!(" {LENGTH}")).await;
    assert!(viewer.contents().contains(&cksum(&input)), "{}", viewer.contents());
}

fn cksum(input: &[u8]) -> String {
    let mut child =
        Command::new("cksum").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn input_that_waits_for_the_process_survives_the_connection() {
    // The terminal keeps some KiB for a process that does not read.
    let server = script(&["--pty"], "stty raw -echo; echo ready; exec sleep 3600");
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("ready").await;
    viewer.enter(&"x".repeat(70_000)).await;
    while viewer.written == 0 {
        assert!(viewer.receive().await);
    }
    let viewer = again(&server, viewer).await;
    let taken = viewer.session["input"].as_u64().unwrap();
    assert!((1..69_000).contains(&taken), "{taken}");
}

#[tokio::test]
async fn a_viewer_of_a_shared_terminal_has_a_keyboard_of_its_own() {
    let server = start(&["--pty", "--shared"], &["cat"]);
    let mut first = Viewer::open(&server).await;
    let mut second = Viewer::open(&server).await;
    assert_ne!(first.session["keyboard"], second.session["keyboard"]);
    first.enter("by the first\r").await;
    wait_until_written(&mut first).await;
    second.enter("by the second\r").await;
    // The terminal's echo, and the output of cat, which may come after lines of the other viewer.
    while second.contents().matches("by the second").count() < 2 {
        assert!(second.receive().await);
    }
    let first = again(&server, first).await;
    assert_eq!(first.session["input"], 13);
    // A keyboard that the session does not know is a new one.
    let unknown = json!({ "session": first.session["session"], "keyboard": 4711 });
    let unknown = Viewer::attach(client(&server), unknown).await.unwrap();
    assert_eq!(unknown.session["input"], 0);
    assert_ne!(unknown.session["keyboard"], 4711);
}

#[tokio::test]
async fn the_older_of_two_connections_of_a_keyboard_types_no_more() {
    let server = start(&["--pty", "--shared"], &["cat"]);
    let mut old = Viewer::open(&server).await;
    let mut new = Viewer::attach(client(&server), old.resuming()).await.unwrap();
    old.enter("old\r").await;
    assert_eq!(old.closed().await, (4409, "attached elsewhere".to_owned()));
    new.enter("new\r").await;
    new.wait_for("new\nnew").await;
    assert!(!new.contents().contains("old"));
}

#[tokio::test]
async fn input_with_a_gap_closes_the_connection() {
    let server = start(&["--pty"], &["cat"]);
    for message in [&1_u64.to_be_bytes()[..], b"keys", &u64::MAX.to_be_bytes()] {
        let mut viewer = Viewer::open(&server).await;
        viewer.ws.send(message).await.unwrap();
        assert_eq!(viewer.closed().await, (1008, "malformed message".to_owned()));
    }
}
