//! `sockeye exec --pty`: terminals that outlive their sockets, over sockeye.tty.v1 and ttyd's
//! subprotocol.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;
use std::time::Instant;

use serde_json::{Value, json};
use sockeye::{Message, WebSocket};

use crate::program;
use crate::program::Server;
use crate::program::exec::{Viewer, client, gone, script, start};

fn shell(flags: &[&str]) -> Server {
    let flags = [&["--pty", "--env", "PS1=$ ", "--grace", "10s"], flags].concat();
    start(&flags, &["sh"])
}

#[tokio::test]
async fn a_terminal_echoes_runs_commands_and_reports_its_end() {
    let server = shell(&[]);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("$ ").await;
    viewer.enter("tty && echo $((6 * 7)) && echo $TERM\r").await;
    viewer.wait_for("/dev/pts/").await;
    viewer.wait_for("42").await;
    viewer.wait_for("xterm-256color").await;
    viewer.enter("exit 7\r").await;
    assert_eq!(viewer.closed().await, (4007, "exit 7".to_owned()));
}

#[tokio::test]
async fn a_resize_reaches_the_process() {
    let server = shell(&[]);
    let mut viewer = Viewer::open(&server).await;
    viewer.enter("stty size\r").await;
    viewer.wait_for("24 80").await;
    viewer.control(json!({ "type": "resize", "columns": 100, "rows": 30 })).await;
    viewer.enter("stty size\r").await;
    viewer.wait_for("30 100").await;
    // A size without bounds costs no memory without bounds.
    viewer.control(json!({ "type": "resize", "columns": 1_000_000, "rows": 0 })).await;
    viewer.enter("stty size\r").await;
    viewer.wait_for("1 500").await;
}

#[tokio::test]
async fn a_lost_connection_resumes_with_the_same_screen() {
    let server = shell(&[]);
    let mut viewer = Viewer::open(&server).await;
    viewer.enter("printf '\\033[31mred\\033[0m\\n'; echo $$\r").await;
    viewer.wait_for("red\n").await;
    let resuming = viewer.resuming();
    let (output, screen) = (viewer.output.clone(), viewer.screen);
    // The connection ends without a close frame.
    drop(viewer.ws);

    let mut again = Viewer::attach(client(&server), resuming).await.unwrap();
    assert_eq!(again.session["session"], viewer.session["session"]);
    assert_eq!(again.screens, 0, "only what was missed is sent");
    again.screen = screen;
    again.enter("echo mo''re\r").await;
    again.wait_for("\nmore\n$").await;
    assert!(!output.is_empty());
    let contents = again.contents();

    // A page that was loaded again has seen nothing: it gets the screen, and not the history.
    let reloaded = json!({ "session": viewer.session["session"] });
    let mut reloaded = Viewer::attach(client(&server), reloaded).await.unwrap();
    while reloaded.screens == 0 {
        reloaded.receive().await;
    }
    assert_eq!(reloaded.contents(), contents);
    assert!(reloaded.contents().contains("red"));
    assert_eq!(again.closed().await, (4409, "attached elsewhere".to_owned()));
}

#[tokio::test]
async fn a_viewer_that_missed_too_much_gets_the_screen() {
    let server = shell(&[]);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("$ ").await;
    let resuming = viewer.resuming();
    let mut second = Viewer::attach(client(&server), resuming.clone()).await.unwrap();
    second.enter("seq 1 300000; echo fini''shed\r").await;
    second.wait_for("finished").await;
    let mut third = Viewer::attach(client(&server), resuming).await.unwrap();
    third.wait_for("finished").await;
    assert_eq!((third.screens, third.output.len()), (1, 0));
}

#[tokio::test]
async fn a_terminal_ends_when_no_viewer_comes_back() {
    let server = shell(&["--linger", "100ms"]);
    let mut viewer = Viewer::open(&server).await;
    viewer.enter("echo pid=$$.\r").await;
    viewer.wait_for("pid=").await;
    while !viewer.contents().contains("pid=") || pid(&viewer).is_none() {
        viewer.receive().await;
    }
    let (pid, resuming) = (pid(&viewer).unwrap(), viewer.resuming());
    drop(viewer);
    gone(&pid).await;
    // The end is told for as long as a viewer may come back; then the session is unknown.
    while let Ok(mut viewer) = Viewer::attach(client(&server), resuming.clone()).await {
        assert_eq!(viewer.closed().await.0, 4129, "SIGHUP");
    }
}

#[tokio::test]
async fn a_terminal_heeds_signals_that_the_server_ignores() {
    // As `nohup` and a shell that runs the server in the background start it.
    let server = r#"trap '' HUP INT QUIT TERM; exec "$0" "$@""#;
    let mut program = Command::new("sh");
    program.args(["-c", server, env!("CARGO_BIN_EXE_sockeye"), "exec", "--listen", "127.0.0.1:0"]);
    program.args(["--pty", "--env", "PS1=$ ", "--grace", "1h", "--", "sh"]);
    let server = Server::start_command(program);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("$ ").await;
    viewer.enter("sh -c 'echo rea\"\"dy; exec sleep 1h'\r").await;
    viewer.wait_for("\nready").await;
    viewer.enter("\x03").await;
    viewer.wait_for("^C\n$ ").await;
    viewer.enter("kill -HUP $$\r").await;
    assert_eq!(viewer.closed().await.0, 4129, "SIGHUP");
}

fn pid(viewer: &Viewer) -> Option<String> {
    let contents = viewer.contents();
    let (_, rest) = contents.rsplit_once("pid=")?;
    let (pid, _) = rest.split_once('.')?;
    pid.parse::<u32>().ok().map(|pid| pid.to_string())
}

#[tokio::test]
async fn ctrl_c_ends_a_flood_within_the_window() {
    let server = script(&["--pty"], "trap : INT; yes; echo stopped; cat");
    let mut viewer = Viewer::open(&server).await;
    while viewer.output.len() < 4 << 20 {
        assert!(viewer.receive().await);
    }
    let before = viewer.output.len();
    let pressed = Instant::now();
    viewer.enter("\x03").await;
    viewer.wait_for("stopped").await;
    let after = viewer.output.len() - before;
    println!("Ctrl-C took {:?} and {after} bytes", pressed.elapsed());
    assert!(after < 1 << 20, "{after} bytes came after Ctrl-C");
}

#[tokio::test]
async fn output_waits_for_acknowledgements() {
    let server = start(&["--pty"], &["yes"]);
    let mut viewer = Viewer::open(&server).await;
    let window = 64 * 1024;
    while viewer.output.len() < window {
        assert!(viewer.receive_silently().await);
    }
    // Until nothing comes for a while.
    let silence = std::time::Duration::from_millis(500);
    while let Ok(open) = tokio::time::timeout(silence, viewer.receive_silently()).await {
        assert!(open);
    }
    assert!((window..window + 65_536).contains(&viewer.output.len()), "{}", viewer.output.len());
    let offset = viewer.offset;
    viewer.control(json!({ "type": "ack", "offset": offset })).await;
    assert!(viewer.receive_silently().await);
    assert!(viewer.offset > offset);
}

#[tokio::test]
async fn several_viewers_share_a_terminal_and_read_only_ones_type_nothing() {
    let server = shell(&["--shared"]);
    let mut first = Viewer::open(&server).await;
    first.enter("echo from the first\r").await;
    first.wait_for("from the first\n").await;
    let mut late = Viewer::open(&server).await;
    late.wait_for("from the first\n").await;
    late.enter("echo from the second\r").await;
    first.wait_for("from the second\n").await;
    assert_eq!(first.session["session"], late.session["session"]);

    let server = start(&["--pty", "--shared", "--read-only"], &["sh", "-c", "echo shown; cat"]);
    let mut viewer = Viewer::open(&server).await;
    assert_eq!(viewer.session["writes"], false);
    viewer.wait_for("shown").await;
    viewer.enter("typed\r").await;
    viewer.control(json!({ "type": "resize", "columns": 10, "rows": 10 })).await;
    viewer.control(json!({ "type": "ping" })).await;
    // The pong shows that what was sent before was received.
    loop {
        match viewer.ws.recv().await.unwrap().unwrap() {
            Message::Text(text) if text.contains("pong") => break,
            message => assert!(!String::from_utf8_lossy(message.as_bytes()).contains("typed")),
        }
    }
}

#[tokio::test]
async fn titles_and_clipboards_reach_viewers_only_where_allowed() {
    let print = r"printf 'a\033]0;title\007b\033]52;c;c2VjcmV0\007c\n'; cat";
    let server = script(&["--pty"], print);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("abc").await;
    assert!(!viewer.output.contains(&0x1b), "{:?}", String::from_utf8_lossy(&viewer.output));

    let server = script(&["--pty", "--allow-title", "--allow-clipboard"], print);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("abc").await;
    let output = String::from_utf8_lossy(&viewer.output).into_owned();
    assert!(
        output.contains("\x1b]0;title\x1b\\") && output.contains("]52;c;c2VjcmV0"),
        "{output:?}"
    );
}

#[tokio::test]
async fn a_recording_is_an_asciicast() {
    let path = program::file("exec-recording.cast", "");
    std::fs::remove_file(&path).unwrap();
    let second = path.with_file_name("exec-recording-2.cast");
    let _ = std::fs::remove_file(&second);
    let server = script(&["--pty", "--record", path.to_str().unwrap()], "echo recorded; read line");
    for file in [&path, &second] {
        let mut viewer = Viewer::open(&server).await;
        viewer.wait_for("recorded").await;
        viewer.control(json!({ "type": "resize", "columns": 90, "rows": 20 })).await;
        viewer.enter("secret\r").await;
        assert_eq!(viewer.closed().await.0, 1000);
        // It is complete before the close frame is sent, or just after.
        let text = loop {
            let text = std::fs::read_to_string(file).unwrap();
            if text.contains("secret") {
                break text;
            }
            tokio::task::yield_now().await;
        };
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["version"], &lines[0]["width"]), (&json!(2), &json!(80)));
        let event = |kind: &str, data: &str| {
            lines[1..]
                .iter()
                .any(|line| line[1] == kind && line[2].as_str().unwrap().contains(data))
        };
        assert!(event("o", "recorded") && event("r", "90x20"), "{text}");
        assert!(!lines[1..].iter().any(|line| line[1] == "i"), "input is not recorded");
    }
}

/// A client of ttyd's subprotocol.
async fn ttyd(server: &Server, hello: &str) -> WebSocket {
    let client = sockeye::Client::new(format!("ws://{}/ws", server.address));
    let mut ws = client.subprotocols(["tty"]).connect().await.unwrap();
    ws.send(hello.as_bytes()).await.unwrap();
    ws
}

/// Receives until the output contains a text.
async fn output(ws: &mut WebSocket, text: &str) -> String {
    let mut output = String::new();
    while !output.contains(text) {
        let message = ws.recv().await.unwrap().expect("output");
        let (kind, rest) = message.as_bytes().split_first().unwrap();
        assert_eq!(*kind, b'0');
        output += &String::from_utf8_lossy(rest);
    }
    output
}

#[tokio::test]
async fn clients_of_ttyd_are_served() {
    let server = shell(&[]);
    let mut ws = ttyd(&server, r#"{"AuthToken":"","columns":90,"rows":20}"#).await;
    assert_eq!(ws.recv().await.unwrap().unwrap().as_bytes(), b"1sh");
    assert_eq!(ws.recv().await.unwrap().unwrap().as_bytes(), b"2{}");
    ws.send(b"0stty size\r").await.unwrap();
    output(&mut ws, "20 90").await;
    ws.send(br#"1{"columns":100,"rows":30}"#).await.unwrap();
    ws.send(b"0stty size\r").await.unwrap();
    output(&mut ws, "30 100").await;
    // Paused output comes after the pause.
    ws.send(b"2").await.unwrap();
    ws.send(b"0echo pa''used\r").await.unwrap();
    let silence = std::time::Duration::from_millis(300);
    while let Ok(message) = tokio::time::timeout(silence, ws.recv()).await {
        let message = message.unwrap().unwrap();
        assert!(!String::from_utf8_lossy(message.as_bytes()).contains("paused"));
    }
    ws.send(b"3").await.unwrap();
    output(&mut ws, "paused").await;
    ws.send(b"0exit 2\r").await.unwrap();
    assert_eq!(program::exec::closed(&mut ws).await, (4002, "exit 2".to_owned()));
}

#[tokio::test]
async fn malformed_messages_close_the_connection() {
    let server = shell(&[]);
    for (subprotocol, message) in [
        ("tty", "no json"),
        ("tty", "[]"),
        ("sockeye.tty.v1", r#"{"type":"ack","offset":1}"#),
        ("sockeye.tty.v1", "{"),
        ("sockeye.tty.v1", r#"{"type":"hello","columns":-1,"rows":1}"#),
    ] {
        let ws = client(&server).subprotocols([subprotocol]).connect().await;
        let mut ws = ws.unwrap();
        ws.send(message).await.unwrap();
        assert_eq!(program::exec::closed(&mut ws).await.0, 1008, "{message}");
    }
    let refused = client(&server).connect().await.unwrap_err();
    assert!(refused.to_string().contains("400"), "{refused}");
}
