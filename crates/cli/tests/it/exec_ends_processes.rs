//! A client that leaves ends its process: standard input ends, then SIGTERM, then SIGKILL, each for
//! the whole group. Nothing is left of thousands of connections, and every buffer is bounded.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::time::Duration;

use crate::program::Server;
use crate::program::exec::{client, closed, connect, gone, leave, script, start, text};

/// Returns an empty file for the notes of a process.
fn notes(name: &str) -> PathBuf {
    crate::program::file(name, "")
}

/// Returns what a process noted, once it has ended.
async fn noted(pid: &str, notes: &PathBuf) -> String {
    gone(pid).await;
    std::fs::read_to_string(notes).unwrap().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[tokio::test]
async fn a_process_that_ends_with_its_input_gets_no_signal() {
    let file = notes("exec-end-of-input");
    let at = file.display();
    let server = script(
        &["--grace", "1h"],
        &format!("trap 'echo TERM >>{at}' TERM INT HUP; echo $$; cat; echo EOF >>{at}"),
    );
    let mut ws = connect(&server).await;
    let pid = text(&mut ws).await;
    leave(&mut ws).await;
    assert_eq!(noted(&pid, &file).await, "EOF");
}

#[tokio::test]
async fn a_process_that_goes_on_gets_sigterm() {
    let file = notes("exec-sigterm");
    let at = file.display();
    let server = script(
        &["--grace", "2s"],
        &format!(
            "trap 'echo TERM >>{at}; exit' TERM; echo $$; cat; echo EOF >>{at}
             while :; do sleep 0.01; done"
        ),
    );
    let mut ws = connect(&server).await;
    let pid = text(&mut ws).await;
    // A connection that breaks is like one that is closed.
    drop(ws);
    assert_eq!(noted(&pid, &file).await, "EOF TERM");
}

#[tokio::test]
async fn a_process_that_ignores_signals_gets_sigkill_last() {
    let file = notes("exec-sigkill");
    let at = file.display();
    let server = script(
        &["--grace", "2s"],
        &format!(
            "trap 'echo TERM >>{at}' TERM; trap '' INT HUP; echo $$; cat
             while :; do sleep 0.01; done"
        ),
    );
    let mut ws = connect(&server).await;
    let pid = text(&mut ws).await;
    leave(&mut ws).await;
    assert_eq!(noted(&pid, &file).await, "TERM");
}

#[tokio::test]
async fn the_whole_group_ends() {
    let server = script(
        &["--grace", "50ms"],
        "sleep 1000 & echo $!; sh -c \"trap '' TERM; sleep 1000\" & echo $!; exec cat",
    );
    let mut ws = connect(&server).await;
    let children = [text(&mut ws).await, text(&mut ws).await];
    leave(&mut ws).await;
    for child in children {
        gone(&child).await;
    }
}

#[tokio::test]
async fn processes_left_behind_by_the_first_one_end_as_well() {
    let server = script(&["--grace", "50ms"], "sleep 1000 >/dev/null & echo $!");
    let mut ws = connect(&server).await;
    let child = text(&mut ws).await;
    assert_eq!(closed(&mut ws).await.0, 1000);
    gone(&child).await;
}

#[tokio::test]
async fn a_server_that_stops_or_is_killed_leaves_no_process() {
    for signal in ["TERM", "KILL"] {
        let server = script(&["--grace", "50ms"], "trap '' HUP; echo $$; exec sleep 1000");
        let mut ws = connect(&server).await;
        let pid = text(&mut ws).await;
        server.signal(signal);
        if signal == "TERM" {
            assert_eq!(closed(&mut ws).await.0, 1001);
            assert_eq!(server.wait().code(), Some(0));
        }
        gone(&pid).await;
    }
}

#[tokio::test]
async fn every_client_of_a_server_that_stops_is_closed_with_1001() {
    // The processes end before the last of many clients is closed.
    for flags in [&[][..], &["--shared"], &["--pty"], &["--pty", "--shared"]] {
        let server = start(&[&["--grace", "10s"], flags].concat(), &["cat"]);
        let mut clients = Vec::new();
        for number in 0..8 {
            let subprotocol = ["sockeye.tty.v1", "tty"][number % 2];
            let mut ws = client(&server).subprotocols([subprotocol]).connect().await.unwrap();
            ws.send(r#"{"type":"hello","columns":80,"rows":24}"#).await.unwrap();
            // The process has begun.
            ws.recv().await.unwrap().unwrap();
            clients.push(ws);
        }
        server.signal("TERM");
        for ws in &mut clients {
            assert_eq!(closed(ws).await.0, 1001, "{flags:?}");
        }
        assert_eq!(server.wait().code(), Some(0));
    }
}

#[tokio::test]
async fn connections_that_are_made_and_broken_leave_no_process() {
    let server = script(
        &["--grace", "20ms", "--max-processes", "20"],
        "echo $$; trap '' TERM; sleep 1000 & echo $!; cat; sleep 1000",
    );
    let mut pids = Vec::new();
    for round in 0..200 {
        // A slot is free again only once the process has ended.
        let mut ws = loop {
            match client(&server).connect().await {
                Ok(ws) => break ws,
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        };
        if round % 2 == 0 {
            pids.extend([text(&mut ws).await, text(&mut ws).await]);
        }
    }
    for pid in pids {
        gone(&pid).await;
    }
    // Neither is one left as a zombie.
    while children(&server) > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Returns the number of the server's child processes, zombies included.
fn children(server: &Server) -> usize {
    let parent = server.id().to_string();
    let stats = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
        let path = entry.ok()?.path().join("stat");
        std::fs::read_to_string(path).ok()
    });
    // The name in parentheses may hold anything; the state and the parent follow.
    let parents = stats.filter_map(|stat| {
        let (_, rest) = stat.rsplit_once(") ")?;
        Some(rest.split(' ').nth(1)?.to_owned())
    });
    parents.filter(|number| *number == parent).count()
}

/// Returns the resident memory of the server, in bytes.
fn resident(server: &Server) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.id())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn an_endless_output_without_a_reader_costs_little_memory() {
    for flags in [&["--bytes"][..], &[], &["--shared"]] {
        let server = start(flags, &["yes"]);
        // The first connection brings the memory that all share.
        leave(&mut connect(&server).await).await;
        let before = resident(&server);
        let mut ws = connect(&server).await;
        for _ in 0..1000 {
            ws.recv().await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(1500)).await;
        let grown = resident(&server).saturating_sub(before);
        assert!(grown < 8 << 20, "{flags:?}: {grown} bytes");
    }
}

#[tokio::test]
async fn input_that_the_process_does_not_read_waits_at_the_client() {
    let server = start(&["--bytes", "--grace", "50ms"], &["sleep", "1000"]);
    let ws = connect(&server).await;
    let before = resident(&server);
    let (sender, receiver) = ws.split();
    let sending = tokio::spawn(async move { while sender.send(vec![0; 65_536]).await.is_ok() {} });
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(!sending.is_finished());
    let grown = resident(&server).saturating_sub(before);
    assert!(grown < 8 << 20, "{grown} bytes");
    drop(receiver);
    sending.abort();
}
