//! Situations that users of other programs of this kind have reported: processes that close their
//! output, characters that come in parts, bytes that are no text, floods while nobody watches.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::json;

use crate::program::exec::{Viewer, client, closed, connect, script, start, text};
use crate::program::{self, Server};

#[tokio::test]
async fn a_process_that_closes_its_output_goes_on_until_its_input_ends() {
    let file = program::file("exec-closed-output", "");
    let work = format!("exec >&-; read line; echo \"$line\" >{}; exit 3", file.display());
    let server = script(&["--grace", "10s"], &work);
    let mut ws = connect(&server).await;
    ws.send("typed").await.unwrap();
    assert_eq!(closed(&mut ws).await, (4003, "exit 3".to_owned()));
    assert_eq!(std::fs::read_to_string(file).unwrap(), "typed\n");
}

#[tokio::test]
async fn a_viewer_that_comes_back_with_another_size_resizes_the_terminal() {
    let server = start(&["--pty", "--env", "PS1=$ "], &["sh"]);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("$ ").await;
    let mut resuming = viewer.resuming();
    drop(viewer);
    resuming["columns"] = json!(123);
    resuming["rows"] = json!(45);
    let mut viewer = Viewer::attach(client(&server), resuming).await.unwrap();
    viewer.enter("stty size\r").await;
    viewer.wait_for("45 123").await;
}

#[tokio::test]
async fn a_character_that_comes_in_parts_is_whole() {
    let parts = r"printf 'price \342'; sleep 0.1; printf '\202'; sleep 0.1; printf '\254.\n'; cat";
    let server = script(&["--pty"], parts);
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("price €.").await;
    let mut late = Viewer::attach(client(&server), json!({ "session": viewer.session["session"] }))
        .await
        .unwrap();
    late.wait_for("price €.").await;
}

#[tokio::test]
async fn output_that_is_no_text_harms_neither_the_viewer_nor_the_screen() {
    let server = script(
        &["--pty"],
        "head -c 30000 /proc/self/exe; printf '\\033c\\377\\376\\200after\\n'; cat",
    );
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("after").await;
    let session = json!({ "session": viewer.session["session"] });
    let mut late = Viewer::attach(client(&server), session).await.unwrap();
    late.wait_for("after").await;
}

#[tokio::test]
async fn every_byte_of_input_reaches_the_process() {
    let server = script(
        &["--pty"],
        "stty raw -echo opost onlcr; echo ready; head -c 256 | od -An -v -tu1; cat",
    );
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("ready").await;
    let all: Vec<u8> = (0..=255).collect();
    viewer.enter_at(0, &all).await;
    viewer.wait_for("255").await;
    let shown = viewer.contents();
    let numbers: Vec<u8> = shown.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    assert_eq!(numbers, all);
}

#[tokio::test]
async fn a_long_paste_of_a_client_of_ttyd_is_one_input() {
    let server = script(&["--pty"], "stty raw -echo; echo ready; head -c 100000 | wc -c; cat");
    let mut ws = client(&server).subprotocols(["tty"]).connect().await.unwrap();
    ws.send(r#"{"columns":80,"rows":24}"#).await.unwrap();
    let shows = async |ws: &mut sockeye::WebSocket, text: &str| {
        let mut shown = String::new();
        while !shown.contains(text) {
            shown += &String::from_utf8_lossy(ws.recv().await.unwrap().unwrap().as_bytes());
        }
    };
    shows(&mut ws, "ready").await;
    ws.send(["0", &"12".repeat(50_000)].concat()).await.unwrap();
    shows(&mut ws, "100000").await;
}

#[tokio::test]
async fn a_terminal_that_floods_while_nobody_watches_is_there_afterwards() {
    let server = script(&["--pty"], "trap 'echo stop''ped; cat' INT; yes");
    let mut viewer = Viewer::open(&server).await;
    viewer.wait_for("y\ny").await;
    let resuming = viewer.resuming();
    drop(viewer);
    let before = resident(&server);
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut viewer = Viewer::attach(client(&server), resuming).await.unwrap();
    viewer.enter("\x03").await;
    viewer.wait_for("stopped").await;
    assert!(resident(&server).saturating_sub(before) < 8 << 20);
}

/// Returns the resident memory of the server, in bytes.
fn resident(server: &Server) -> usize {
    let statm = std::fs::read_to_string(format!("/proc/{}/statm", server.id())).unwrap();
    statm.split(' ').nth(1).unwrap().parse::<usize>().unwrap() * 4096
}

#[tokio::test]
async fn a_program_of_json_rpc_is_served_a_message_a_line() {
    // Answers each request with its own line; notes go to standard error.
    let work = "while IFS= read -r line; do
                  echo note >&2
                  printf '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":%s}\\n' \"$line\"
                done";
    let server = script(&[], work);
    let mut ws = connect(&server).await;
    // Line separators of Unicode are no ends of lines, and a message may be long.
    let long = format!("\"{}\"", "x".repeat(300_000));
    for value in ["{\"method\":\"initialize\"}", "\"a\u{2028}b\u{85}c\\n\"", &long] {
        ws.send(value).await.unwrap();
        let answer = text(&mut ws).await;
        assert_eq!(answer, format!("{{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{value}}}"));
    }
}
