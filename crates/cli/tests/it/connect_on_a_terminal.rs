//! `sockeye connect` on a pseudo-terminal: a line editor with messages above its prompt.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::process::{Child, Stdio};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};

use crate::program;
use crate::program::connect::{connect, websocket};

/// A program on a pseudo-terminal.
struct Terminal {
    child: Child,
    master: File,
    /// The side of the program, which keeps the terminal open after its end.
    slave: File,
    /// Everything that the program wrote.
    written: String,
    /// The end of the text that was waited for last, in `written`.
    seen: usize,
    /// The number of prompts that were waited for.
    prompts: usize,
}

/// Written by the line editor each time that it begins to read keys, after it changed the mode of
/// the terminal. Keys typed before are handled by the terminal: it takes Ctrl-D for itself.
const READS_KEYS: &str = "\x1b[?2004h";

impl Terminal {
    fn start(arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = OpenOptions::new().read(true).write(true).open(name.to_str().unwrap()).unwrap();
        let end = || Stdio::from(slave.try_clone().unwrap());
        let child = connect(arguments)
            .env("TERM", "xterm")
            .stdin(end())
            .stdout(end())
            .stderr(end())
            .spawn()
            .unwrap();
        Self { child, master: master.into(), slave, written: String::new(), seen: 0, prompts: 0 }
    }

    /// Types keys.
    fn enter(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the line editor reads the next line.
    fn wait_for_prompt(&mut self) {
        self.prompts += 1;
        while self.written.matches(READS_KEYS).count() < self.prompts {
            self.read();
        }
    }

    /// Waits until the terminal shows the text after the last one that was waited for.
    fn wait_for(&mut self, text: &str) {
        while !self.written[self.seen..].contains(text) {
            self.read();
        }
        self.seen += self.written[self.seen..].find(text).unwrap() + text.len();
    }

    fn read(&mut self) {
        let mut buffer = [0; 4096];
        let length = self.master.read(&mut buffer).unwrap();
        self.written += &String::from_utf8_lossy(&buffer[..length]);
    }

    /// Waits for the end of the program, which leaves the terminal as it was.
    fn end(mut self) -> Option<i32> {
        let code = self.child.wait().unwrap().code();
        let modes = tcgetattr(&self.slave).unwrap().local_modes;
        assert!(modes.contains(LocalModes::ECHO | LocalModes::ICANON), "{modes:?}");
        code
    }
}

fn echo(server: &program::Server) -> String {
    format!("ws://{}/echo", server.address)
}

#[test]
fn lines_are_messages_and_ctrl_d_closes() {
    let server = program::Server::start(&[]);
    let mut terminal = Terminal::start(&[&echo(&server), "--slash"]);
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
    let mut terminal = Terminal::start(&[&url]);
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
    let mut terminal = Terminal::start(&[&echo(&server)]);
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
    let mut terminal = Terminal::start(&[&echo(&server)]);
    terminal.wait_for_prompt();
    terminal.enter("\x03");
    terminal.wait_for("interrupted");
    assert_eq!(terminal.end(), Some(130));
}
