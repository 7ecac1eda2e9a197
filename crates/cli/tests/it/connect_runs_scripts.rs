//! `sockeye connect --script` runs the steps of a file, and ends at the first one that fails.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program;
use crate::program::connect::{Wire, ended_with, run_with, websocket};

/// Runs a script from standard input.
#[track_caller]
fn run(code: i32, script: &str, arguments: &[&str]) -> (String, String) {
    let arguments = [arguments, &["--script", "-"]].concat();
    ended_with(code, &run_with(script.as_bytes(), &arguments))
}

/// A server that lets clients in and numbers them.
fn chat(wire: &mut Wire) {
    let (_, login) = wire.recv().unwrap();
    assert_eq!(login, br#"{"op":"login","user":"ada"}"#);
    wire.text(r#"{"op":"motd","text":"hello"}"#);
    wire.text(r#"{"op":"welcome","user":{"id":42},"rooms":["fish","birds"]}"#);
    let (first, join) = wire.recv().unwrap();
    assert_eq!((first, join.as_slice()), (0x81, &br#"{"op":"join","id":42}"#[..]));
    wire.text("joined 42");
    assert_eq!(wire.recv().unwrap(), (0x82, vec![0, 255]));
    wire.frame(0x82, &[1, 2]);
}

#[test]
fn steps_send_check_and_keep_what_they_need() {
    let url = websocket(|wire| {
        chat(wire);
        assert_eq!(wire.answer_close(), 1000);
    });
    let script = r#"# Log in, skip what comes before the welcome, and join.
send {"op":"login","user":"{{user}}"}
await $.op == "welcome"
assert $.rooms[?@ == "fish"]
assert not $.error
capture id $.user.id
send {"op":"join","id":{{id}}}
expect matches ^joined \d+$
assert == joined {{id}}
send-base64 AP8=
expect binary
"#;
    let file = std::env::temp_dir().join(format!("sockeye-script-{}.ws", std::process::id()));
    std::fs::write(&file, script).unwrap();
    let arguments = [&url, "--script", file.to_str().unwrap(), "--variable", "user=ada"];
    let arguments = [&arguments[..], &["-w", "%{num_sent} %{num_received} %{exitcode}"]].concat();
    let (stdout, stderr) = ended_with(0, &run_with(b"", &arguments));
    std::fs::remove_file(file).unwrap();
    assert!(stdout.contains("joined 42\n") && stdout.ends_with("3 4 0"), "{stdout}");
    assert_eq!(stderr, "");
}

#[test]
fn a_failed_step_is_named_with_the_message() {
    for (script, expected) in [
        ("send a\nexpect == b", "-:2: expect == b: the message is a"),
        ("send {\"op\":1}\nexpect $.op == 2", "the message is {\"op\":1}"),
        ("send a\nexpect\ncapture id $.id", "-:3: capture id $.id: the message is a"),
        ("timeout 50ms\nexpect", "-:2: expect: no message within 50ms"),
        ("assert text", "no message was taken"),
        // The answer comes at any time within the silence.
        ("send a\nsend b\nexpect\nsilence 1s", "a message came: b"),
        ("send a\u{1b}[2J\nexpect == b", "the message is a\\u{1b}[2J"),
    ] {
        let server = program::Server::start(&[]);
        let url = format!("ws://{}/echo", server.address);
        let (_, stderr) = run(11, script, &[&url]);
        assert!(stderr.contains(expected), "{script}: {stderr}");
    }
}

#[test]
fn mistakes_of_a_script_are_found_before_anything_is_sent() {
    for (script, expected) in [
        ("dance", "-:1: \"dance\" is no step"),
        ("send {{user}}", "-:1: the variable user has no value"),
        ("\nexpect $.a==1", "-:2: \"$.a==1\" is no JSON path"),
    ] {
        let (_, stderr) = run(2, script, &["ws://127.0.0.1:1/"]);
        assert!(stderr.contains(expected), "{stderr}");
    }
    let missing = ["ws://127.0.0.1:1/", "--script", "/no/such/file"];
    ended_with(2, &run_with(b"", &missing));
}

#[test]
fn the_end_of_the_connection_is_a_step_or_a_failure() {
    let closing = || {
        websocket(|wire| {
            wire.text("bye");
            wire.close(4001);
            wire.recv();
        })
    };
    run(0, "await-close 4001", &[&closing()]);
    run(0, "expect == bye\nawait-close", &[&closing()]);
    let (_, stderr) = run(11, "await-close 1000", &[&closing()]);
    assert!(stderr.contains("the server closed with 4001"), "{stderr}");
    let (_, stderr) = run(9, "expect\nexpect", &[&closing()]);
    assert!(
        stderr.contains("-:2: expect: the server closed") && stderr.contains("4001"),
        "{stderr}"
    );
    let url = websocket(|wire| wire.text("last words"));
    run(8, "expect\nexpect", &[&url]);
    let url = websocket(|wire| {
        assert_eq!(wire.answer_close(), 4000);
    });
    run(0, "close 4000 enough", &[&url]);
}

#[test]
fn pings_pauses_and_silence_are_steps() {
    let url = websocket(|wire| {
        let (first, payload) = wire.recv().unwrap();
        assert_eq!(first, 0x89);
        wire.text("before the pong");
        wire.frame(0x8a, &payload);
        assert_eq!(wire.answer_close(), 1000);
    });
    run(0, "ping\nexpect contains before\nsleep 10ms\nsilence 10ms", &[&url]);
}

#[test]
fn a_json_path_of_expect_ends_the_program() {
    let feed = |wire: &mut Wire| {
        for text in ["no json", r#"{"type":"a"}"#, r#"{"type":"pong","n":7}"#, "late"] {
            wire.text(text);
        }
        assert_eq!(wire.answer_close(), 1000);
    };
    for condition in [r#"$.type == "pong""#, "$.n", "$.n >= 7", "$[?@ == 'pong']"] {
        let arguments = [&websocket(feed), "--expect", condition, "--timeout", "60s"];
        let (stdout, _) = ended_with(0, &run_with(b"", &arguments));
        assert_eq!(stdout.lines().count(), 3, "{condition}: {stdout}");
    }
    let (_, stderr) = ended_with(2, &run_with(b"", &["ws://a/", "--expect", "$.type == pong"]));
    assert!(stderr.contains("with its quotes"), "{stderr}");
}
