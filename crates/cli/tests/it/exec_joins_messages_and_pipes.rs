//! `sockeye exec` on pipes: lines, bytes and whole messages, one process each or one for all, and
//! the close codes of their ends.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use sockeye::Message;

use crate::program;
use crate::program::exec::{closed, connect, leave, script, start, text};

#[tokio::test]
async fn a_line_is_a_message_in_both_directions() {
    let server = start(&[], &["cat"]);
    let mut ws = connect(&server).await;
    for line in ["hello", "", "wörld; rm -rf $HOME `id`"] {
        ws.send(line).await.unwrap();
        assert_eq!(text(&mut ws).await, line);
    }
    ws.send("two\nlines").await.unwrap();
    assert_eq!((text(&mut ws).await, text(&mut ws).await), ("two".into(), "lines".into()));
    // Each connection has a process of its own.
    let mut other = connect(&server).await;
    other.send("other").await.unwrap();
    assert_eq!(text(&mut other).await, "other");
    leave(&mut ws).await;
}

#[tokio::test]
async fn bytes_are_kept_as_they_are() {
    let server = start(&["--bytes"], &["cat"]);
    let mut ws = connect(&server).await;
    let sent: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let (sender, mut receiver) = connect(&server).await.split();
    ws.send(b"\0\n\xff").await.unwrap();
    assert_eq!(ws.recv().await.unwrap(), Some(Message::from(b"\0\n\xff")));
    let input = sent.clone();
    tokio::spawn(async move { sender.send(input).await });
    let mut echoed: Vec<u8> = Vec::new();
    while echoed.len() < sent.len() {
        echoed.extend(receiver.recv().await.unwrap().unwrap().as_bytes());
    }
    assert_eq!(echoed, sent);
}

#[tokio::test]
async fn messages_stay_whole_and_keep_their_type() {
    let server = start(&["--messages"], &["cat"]);
    let mut ws = connect(&server).await;
    for message in
        [Message::from("two\nlines"), "".into(), b"\0\xff\n".into(), vec![7; 200_000].into()]
    {
        ws.send(message.clone()).await.unwrap();
        assert_eq!(ws.recv().await.unwrap(), Some(message));
    }
}

#[tokio::test]
async fn the_end_of_a_process_is_the_close_code() {
    for (command, code, reason) in [
        ("echo done", 1000, "exit 0"),
        ("exit 1", 4001, "exit 1"),
        ("exit 255", 4255, "exit 255"),
        ("kill -KILL $$", 4137, "signal 9"),
        ("kill -TERM $$", 4143, "signal 15"),
    ] {
        let server = script(&[], command);
        let mut ws = connect(&server).await;
        assert_eq!(closed(&mut ws).await, (code, reason.to_owned()), "{command}");
    }
}

#[tokio::test]
async fn all_output_comes_before_the_end() {
    let server = script(&[], "seq 1 50000");
    let mut ws = connect(&server).await;
    for number in 1..=50_000 {
        assert_eq!(text(&mut ws).await, number.to_string());
    }
    assert_eq!(closed(&mut ws).await.0, 1000);
}

#[tokio::test]
async fn standard_error_goes_where_it_is_sent() {
    let both = "echo out; echo err >&2; read line";
    let mut server = script(&[], both);
    let mut ws = connect(&server).await;
    assert_eq!(text(&mut ws).await, "out");
    server.wait_for("stderr: err");

    let server = script(&["--stderr", "merge"], both);
    let mut ws = connect(&server).await;
    assert_eq!((text(&mut ws).await, text(&mut ws).await), ("out".into(), "err".into()));

    let server = script(&["--stderr", "tag"], both);
    let mut ws = connect(&server).await;
    let mut messages = [text(&mut ws).await, text(&mut ws).await];
    messages.sort();
    assert_eq!(messages, ["1out", "2err"]);
}

#[tokio::test]
async fn a_message_over_the_limit_ends_the_process() {
    let server = script(&["--max-message", "10"], "echo 12345678901; cat");
    let mut ws = connect(&server).await;
    let (code, reason) = closed(&mut ws).await;
    assert_eq!(code, 1011);
    assert!(reason.contains("--max-message"), "{reason}");
}

#[tokio::test]
async fn one_process_serves_all_and_late_joiners_get_what_follows() {
    let server = script(&["--shared"], "echo started; exec cat");
    let mut first = connect(&server).await;
    assert_eq!(text(&mut first).await, "started");
    let mut second = connect(&server).await;
    second.send("from the second").await.unwrap();
    assert_eq!(text(&mut first).await, "from the second");
    assert_eq!(text(&mut second).await, "from the second");
    // The process outlives those who leave.
    leave(&mut first).await;
    second.send("still there").await.unwrap();
    assert_eq!(text(&mut second).await, "still there");
}

#[tokio::test]
async fn the_end_of_a_shared_process_is_told_to_all_and_the_next_client_starts_another() {
    let server = script(&["--shared"], "echo $$; read line; exit 3");
    let mut first = connect(&server).await;
    let pid = text(&mut first).await;
    let mut second = connect(&server).await;
    second.send("end").await.unwrap();
    assert_eq!(closed(&mut first).await, (4003, "exit 3".to_owned()));
    assert_eq!(closed(&mut second).await, (4003, "exit 3".to_owned()));
    let mut third = connect(&server).await;
    assert_ne!(text(&mut third).await, pid);
}

#[test]
fn a_command_that_cannot_run_is_explained_at_the_start() {
    let arguments = ["exec", "--listen", "127.0.0.1:0", "--", "no-such-program"];
    assert!(program::error_output(&arguments).contains("no-such-program"));
    assert_eq!(program::run(&["exec"]).status.code(), Some(2));
}

#[tokio::test]
async fn a_request_without_a_websocket_is_told_what_is_here() {
    let server = start(&["--max-processes", "1"], &["cat"]);
    assert!(server.get("/").starts_with("HTTP/1.1 426 "));
    assert!(server.get("/healthz").starts_with("HTTP/1.1 200 "));
    let _first = connect(&server).await;
    let refused = program::exec::client(&server).connect().await.unwrap_err();
    assert!(refused.to_string().contains("503"), "{refused}");
}
