//! `sockeye connect` on a pseudo-terminal: a line editor with messages above its prompt.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use crate::program;
use crate::program::connect::{connect, websocket};
use crate::program::terminal::Terminal;

fn start(arguments: &[&str]) -> Terminal {
    Terminal::start(connect(arguments))
}

fn echo(server: &program::Server) -> String {
    format!("ws://{}/echo", server.address)
}

#[test]
fn lines_are_messages_and_ctrl_d_closes() {
    let server = program::Server::start(&[]);
    let mut terminal = start(&[&echo(&server), "--slash"]);
    terminal.wait_for("connected");
    terminal.wait_for_prompt();
    terminal.enter("hello\r");
    terminal.wait_for("< hello");
    terminal.wait_for_prompt();
    terminal.enter("/ping\r");
    terminal.wait_for("pong after");
    terminal.wait_for_prompt();
    terminal.enter("/binary abc\r");
    terminal.wait_for("< binary, 3 bytes: 61 62 63");
    terminal.wait_for_prompt();
    terminal.enter("/dance\r");
    terminal.wait_for("expected /ping");
    terminal.wait_for_prompt();
    // The key for the line before.
    terminal.enter("/binary again\r");
    terminal.wait_for("< binary, 5 bytes");
    terminal.wait_for_prompt();
    terminal.enter("\x1b[A\r");
    terminal.wait_for("< binary, 5 bytes");
    terminal.wait_for_prompt();
    terminal.enter("\x04");
    terminal.wait_for("closed by the server: 1000");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_message_is_shown_escaped_above_a_line_that_is_being_typed() {
    let (typed, is_typed) = std::sync::mpsc::channel();
    let url = websocket(move |wire| {
        is_typed.recv().unwrap();
        wire.text("from \x1b]0;title\x07 afar");
        assert_eq!(wire.recv().unwrap(), (0x81, b"half done".to_vec()));
        wire.close(4001);
        wire.recv();
    });
    let mut terminal = start(&[&url]);
    terminal.wait_for_prompt();
    terminal.enter("half");
    terminal.wait_for("half");
    typed.send(()).unwrap();
    terminal.wait_for(r"< from \u{1b}]0;title\u{7} afar");
    // The prompt is drawn again below the message.
    terminal.wait_for("> half");
    terminal.enter(" done\r");
    terminal.wait_for("closed by the server: 4001");
    // The server ended the program while the line editor was waiting for a line.
    assert_eq!(terminal.end(), Some(9));
}

#[test]
fn pasted_lines_are_one_message() {
    let server = program::Server::start(&[]);
    let mut terminal = start(&[&echo(&server)]);
    terminal.wait_for_prompt();
    terminal.enter("\x1b[200~one\ntwo\x1b[201~\r");
    terminal.wait_for(r"< one\ntwo");
    terminal.wait_for_prompt();
    terminal.enter("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn ctrl_c_ends_with_130() {
    let server = program::Server::start(&[]);
    let mut terminal = start(&[&echo(&server)]);
    terminal.wait_for_prompt();
    terminal.enter("\x03");
    terminal.wait_for("interrupted");
    assert_eq!(terminal.end(), Some(130));
}

#[test]
fn lines_that_are_typed_ahead_are_messages_too() {
    let server = program::Server::start(&[]);
    let mut terminal = start(&[&echo(&server)]);
    terminal.wait_for_prompt();
    // As a terminal without bracketed paste sends pasted lines.
    terminal.enter("one\rtwo\rthree\rfour");
    for line in ["< one", "< two", "< three"] {
        terminal.wait_for(line);
    }
    // Typed behind the prompt, or drawn with it below the message.
    terminal.wait_for("four");
    terminal.enter("\r");
    terminal.wait_for("< four");
    for _ in 0..4 {
        terminal.wait_for_prompt();
    }
    terminal.enter("\x04");
    assert_eq!(terminal.end(), Some(0));
}

#[test]
fn a_terminal_without_escapes_gets_lines_without_a_prompt() {
    let server = program::Server::start(&[]);
    let mut terminal = Terminal::start_as("dumb", (80, 24), connect(&[&echo(&server), "--slash"]));
    terminal.wait_for("* connected\r\n");
    terminal.enter("hello\n");
    terminal.wait_for("hello\r\n< hello\r\n");
    terminal.enter("/close\n");
    terminal.wait_for("/close\r\n* closed by the server: 1000");
    assert!(!terminal.written().contains('\x1b'), "{:?}", terminal.written());
    assert_eq!(terminal.end(), Some(0));
}
